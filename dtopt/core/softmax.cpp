#include "dtopt/core/softmax.hpp"

namespace dtopt {

namespace {

DTOPT_INLINE void exp_body(std::span<double> values) {
    for (double& value : values) value = exp(value);
}

DTOPT_INLINE void log_body(std::span<double> values) {
    for (double& value : values) value = log(value);
}

}  // namespace

DTOPT_HOT(void, exp_each, (std::span<double> values), exp_body, (values))
DTOPT_HOT(void, log_each, (std::span<double> values), log_body, (values))

}  // namespace dtopt
