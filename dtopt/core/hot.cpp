#include "dtopt/core/hot.hpp"

#include <cstdlib>
#include <cstring>

namespace dtopt {

namespace {

bool detect() {
    const char* wish = std::getenv("DTOPT_CPU");
    if (wish != nullptr && std::strcmp(wish, "baseline") == 0) return false;
#if DTOPT_HAS_VERSIONS
    return __builtin_cpu_supports("avx2") != 0;
#else
    return false;
#endif
}

const bool avx2 = detect();

}  // namespace

bool uses_avx2() { return avx2; }

}  // namespace dtopt
