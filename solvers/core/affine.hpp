// Affine maps of rows in float32, the layers of networks. Every sum runs over inputs in order: the same bits everywhere.
#pragma once

#include <vector>

#include "dtopt/core/arrays.hpp"

namespace dtopt {

class Affine {
  public:
    Affine() = default;
    // The weight has `inputs` rows and `outputs` columns, or the other way round where `transposed`.
    Affine(const float* weight, const float* bias, Size inputs, Size outputs, bool transposed);

    Size inputs() const { return weight_.rows(); }
    Size outputs() const { return bias_.size(); }
    // Write x · weight + bias for each row of x.
    void apply(MatrixView<const float> x, MatrixView<float> out) const;

  private:
    Matrix<float> weight_;  // columns padded with zeros to whole blocks
    std::vector<float> bias_;
};

}  // namespace dtopt
