// Four numbers side by side, for hot loops that a compiler does not vectorise by itself; the same bits in every version.
#pragma once

#include <cstdint>
#include <cstring>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/hot.hpp"

namespace dtopt {

#if defined(__GNUC__)
using Pack = double __attribute__((vector_size(32)));
#endif

inline constexpr Size PACK = 4;

DTOPT_INLINE Pack pack_of(double value) { return Pack{value, value, value, value}; }

DTOPT_INLINE Pack load(const double* from) {
    Pack pack;
    std::memcpy(&pack, from, sizeof pack);
    return pack;
}

// The numbers at four indices, or at four places in a row from `index[0]` on where they are.
template <bool IN_A_ROW>
DTOPT_INLINE Pack gathered(const double* from, const std::int32_t* index, Size first) {
    if constexpr (IN_A_ROW) return load(from + first);
    return Pack{from[index[0]], from[index[1]], from[index[2]], from[index[3]]};
}

DTOPT_INLINE void store(double* to, Pack pack) { std::memcpy(to, &pack, sizeof pack); }

// The sum of the lanes of two packs, in the order of `Lanes::total`.
DTOPT_INLINE double total(Pack low, Pack high) {
    const Pack sum = low + high;
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

}  // namespace dtopt
