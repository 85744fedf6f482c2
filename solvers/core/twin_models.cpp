#include "solvers/core/twin_models.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "dtopt/core/hot.hpp"
#include "dtopt/core/sums.hpp"

namespace dtopt {

namespace {

// Vectors are never passed in calls that are not inlined.
#pragma GCC diagnostic ignored "-Wpsabi"

using Four = double __attribute__((vector_size(4 * sizeof(double))));

template <class T>
DTOPT_INLINE T load(const double* from) {
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
}

template <class T>
DTOPT_INLINE void store(double* to, const T& value) {
    std::memcpy(to, &value, sizeof(T));
}

// Call each(h, T*) for hidden units h, four at a time with T = Four, and the last ones alone with T = double.
template <class Each>
DTOPT_INLINE void for_hidden(Size hidden, Each each) {
    Size h = 0;
    for (; h + 4 <= hidden; h += 4) each(h, static_cast<Four*>(nullptr));
    for (; h < hidden; ++h) each(h, static_cast<double*>(nullptr));
}

template <class T>
DTOPT_INLINE T absolute(const T& x) {
    return x < 0.0 ? -x : x;
}

// Write the hidden layer, (S, H), and what the model says of each server, less the mean.
DTOPT_INLINE void values_body(const double* model, const double* state, Size servers, ModelShape shape,
                              double* activity, double* values) {
    const Size hidden = shape.hidden, inputs = shape.inputs;
    double mean = 0.0;
    for (Size k = 0; k < servers; ++k) {
        for_hidden(hidden, [&]<class T>(Size h, T*) __attribute__((always_inline)) {
            T sum = load<T>(model + shape.bias() + h);
            for (Size x = 0; x < inputs; ++x) sum += load<T>(model + x * hidden + h) * state[k * inputs + x];
            store(activity + k * hidden + h, sum / (1.0 + absolute(sum)));
        });
        const double *last = model + shape.last(), *a = activity + k * hidden;
        values[k] = lane_sum(0, hidden, [&](Size h) { return last[h] * a[h]; });
        mean += values[k] / static_cast<double>(servers);
    }
    for (Size k = 0; k < servers; ++k) values[k] -= mean;
}

DTOPT_HOT(void, values_of,
          (const double* model, const double* state, Size servers, ModelShape shape, double* activity, double* values),
          values_body, (model, state, servers, shape, activity, values))

// Add the gradient of half the squared errors of one sample; `back` is room for (S, H).
DTOPT_INLINE void gradient_body(const double* model, const double* state, Size servers, ModelShape shape,
                                const double* activity, const double* wrong, double* back, double* slope) {
    const Size hidden = shape.hidden, inputs = shape.inputs;
    for_hidden(hidden, [&]<class T>(Size h, T*) __attribute__((always_inline)) {
        const T last = load<T>(model + shape.last() + h);
        T to_bias = load<T>(slope + shape.bias() + h), to_last = load<T>(slope + shape.last() + h);
        for (Size k = 0; k < servers; ++k) {
            const T a = load<T>(activity + k * hidden + h), rest = 1.0 - absolute(a);
            const T b = wrong[k] * last * (rest * rest);
            to_last += wrong[k] * a;
            to_bias += b;
            store(back + k * hidden + h, b);
        }
        store(slope + shape.bias() + h, to_bias);
        store(slope + shape.last() + h, to_last);
        for (Size x = 0; x < inputs; ++x) {
            T to = load<T>(slope + x * hidden + h);
            for (Size k = 0; k < servers; ++k) to += load<T>(back + k * hidden + h) * state[k * inputs + x];
            store(slope + x * hidden + h, to);
        }
    });
}

DTOPT_HOT(void, add_gradient,
          (const double* model, const double* state, Size servers, ModelShape shape, const double* activity,
           const double* wrong, double* back, double* slope),
          gradient_body, (model, state, servers, shape, activity, wrong, back, slope))

}  // namespace

void model_values(MatrixView<const double> models, const States& states, ModelShape shape, MatrixView<double> values) {
    Doubles activity(states.servers * shape.hidden);
    for (Size i = 0; i < models.rows(); ++i)
        values_of(models.row(i).data(), states[i], states.servers, shape, activity.data(), values.row(i).data());
}

void model_gradients(MatrixView<const double> models, MatrixView<const std::int64_t> chosen, const Samples& samples,
                     double discount, ModelShape shape, MatrixView<double> slope, std::span<double> error) {
    const Size servers = samples.before.servers;
    Doubles activity(servers * shape.hidden), back(servers * shape.hidden), later(servers), target(servers), wrong(servers);
    for (Size i = 0; i < models.rows(); ++i) {
        const double* model = models.row(i).data();
        double* to = slope.row(i).data();
        double count = 0.0;
        for (const std::int64_t sample : chosen.row(i)) {
            if (sample < 0) continue;
            const auto r = static_cast<Size>(sample);
            count += 1.0;
            values_of(model, samples.after[r], servers, shape, activity.data(), later.data());
            double mean = 0.0;
            for (Size k = 0; k < servers; ++k) {
                const double* gain = samples.gain + (r * servers + k) * servers;
                target[k] = -std::numeric_limits<double>::infinity();
                for (Size l = 0; l < servers; ++l) target[k] = std::max(target[k], gain[l] + discount * later[l]);
                mean += target[k] / static_cast<double>(servers);
            }
            values_of(model, samples.before[r], servers, shape, activity.data(), wrong.data());
            // Both are less their means, so that the gradient of the mean is nothing.
            for (Size k = 0; k < servers; ++k) {
                wrong[k] -= target[k] - mean;
                error[i] += wrong[k] * wrong[k];
            }
            add_gradient(model, samples.before[r], servers, shape, activity.data(), wrong.data(), back.data(), to);
        }
        if (count == 0.0) continue;
        for (Size p = 0; p < shape.parameters(); ++p) to[p] *= 2.0 / count;
        error[i] /= count;
    }
}

}  // namespace dtopt
