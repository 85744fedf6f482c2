// Twins' models: one small network for each user, a row of parameters; `solvers.transfer.models` describes them.
#pragma once

#include <cstdint>
#include <span>

#include "dtopt/core/arrays.hpp"

namespace dtopt {

// The layers of a model: weights (inputs, hidden), biases (hidden), weights of the last layer (hidden).
struct ModelShape {
    Size inputs, hidden;

    Size bias() const { return inputs * hidden; }
    Size last() const { return bias() + hidden; }
    Size parameters() const { return last() + hidden; }
};

// Rows of inputs, one for each of S servers, one such matrix after another.
struct States {
    const double* data;
    Size count, servers, inputs;

    const double* operator[](Size r) const { return data + r * servers * inputs; }
};

// Write what each model says of its user's servers, less their mean, (n, S).
void model_values(MatrixView<const double> models, const States& states, ModelShape shape, MatrixView<double> values);

// Samples of experience: states, those one slot later, and utilities from each server to each, (R, S, S).
struct Samples {
    States before, after;
    const double* gain;
};

// Write each model's gradient of the squared Bellman error over its samples, and add up that error in `error`.
//
// What a server k is worth after a slot is, one slot later, y_k = max_l (gain_kl + γ C(s', l)). `chosen`, (n, B), has the
// samples of each model, −1 for none; `slope`, (n, P), and `error`, (n,), are zero at first.
void model_gradients(MatrixView<const double> models, MatrixView<const std::int64_t> chosen, const Samples& samples,
                     double discount, ModelShape shape, MatrixView<double> slope, std::span<double> error);

}  // namespace dtopt
