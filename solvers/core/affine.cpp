#include "solvers/core/affine.hpp"

#include <algorithm>

#include "dtopt/core/hot.hpp"

namespace dtopt {

namespace {

// Outputs computed together, in one register of AVX2 or two of SSE, and rows that share each weight loaded.
constexpr Size BLOCK = 8, ROWS = 4;
using Block = float __attribute__((vector_size(BLOCK * sizeof(float)), aligned(alignof(float)), may_alias));

template <Size COUNT>
DTOPT_INLINE void rows_times(const float* x, const float* weight, Size inputs, Size stride, float* out) {
    Block sum[COUNT] = {};
    for (Size j = 0; j < inputs; ++j) {
        const Block w = *reinterpret_cast<const Block*>(weight + j * stride);
        for (Size r = 0; r < COUNT; ++r) sum[r] += x[r * inputs + j] * w;
    }
    for (Size r = 0; r < COUNT; ++r) *reinterpret_cast<Block*>(out + r * BLOCK) = sum[r];
}

DTOPT_INLINE void product_body(const float* x, const float* weight, Size inputs, Size stride, Size rows, float* out) {
    if (rows == ROWS)
        rows_times<ROWS>(x, weight, inputs, stride, out);
    else
        for (Size r = 0; r < rows; ++r) rows_times<1>(x + r * inputs, weight, inputs, stride, out + r * BLOCK);
}

DTOPT_HOT(void, product, (const float* x, const float* weight, Size inputs, Size stride, Size rows, float* out),
          product_body, (x, weight, inputs, stride, rows, out))

}  // namespace

Affine::Affine(const float* weight, const float* bias, Size inputs, Size outputs, bool transposed)
    : weight_(inputs, (outputs + BLOCK - 1) / BLOCK * BLOCK), bias_(bias, bias + outputs) {
    for (Size j = 0; j < inputs; ++j)
        for (Size o = 0; o < outputs; ++o) weight_(j, o) = transposed ? weight[o * inputs + j] : weight[j * outputs + o];
}

void Affine::apply(MatrixView<const float> x, MatrixView<float> out) const {
    assert(x.columns() == inputs() && out.columns() == outputs() && x.rows() == out.rows());
    float sums[ROWS * BLOCK];
    for (Size first = 0; first < x.rows(); first += ROWS) {
        const Size rows = std::min(ROWS, x.rows() - first);
        for (Size o = 0; o < outputs(); o += BLOCK) {
            product(x.data() + first * inputs(), weight_.data() + o, inputs(), weight_.columns(), rows, sums);
            const Size width = std::min(BLOCK, outputs() - o);
            for (Size r = 0; r < rows; ++r)
                for (Size j = 0; j < width; ++j) out(first + r, o + j) = sums[r * BLOCK + j] + bias_[o + j];
        }
    }
}

}  // namespace dtopt
