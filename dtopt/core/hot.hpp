// Hot loops in two versions, for the baseline instruction set and for AVX2, with the same bits.
//
// A hot loop is a function `body` that is always inlined. `DTOPT_HOT` makes two functions of it and one that picks. No
// version may fuse a product with a sum (`-ffp-contract=off`) or reorder sums, so both give the same result; sums are
// written in a fixed order of lanes (`sums.hpp`).
#pragma once

#define DTOPT_INLINE inline __attribute__((always_inline))
// After the parameters of a lambda that hot loops call.
#define DTOPT_LAMBDA __attribute__((always_inline))

#if defined(__x86_64__) && defined(__GNUC__)
#define DTOPT_HAS_VERSIONS 1
#else
#define DTOPT_HAS_VERSIONS 0
#endif

namespace dtopt {

// Whether hot loops use AVX2: set once, when the module is loaded. The environment variable DTOPT_CPU=baseline says no.
bool uses_avx2();

}  // namespace dtopt

// Define `result name(parameters)` that calls `body(arguments)` in the best version.
#if DTOPT_HAS_VERSIONS
#define DTOPT_HOT(result, name, parameters, body, arguments)                                       \
    __attribute__((target("avx2"))) static result name##_avx2 parameters { return body arguments; } \
    static result name##_base parameters { return body arguments; }                                 \
    result name parameters {                                                                        \
        return ::dtopt::uses_avx2() ? name##_avx2 arguments : name##_base arguments;                \
    }
#else
#define DTOPT_HOT(result, name, parameters, body, arguments) \
    result name parameters { return body arguments; }
#endif
