// The one random generator of the core: SplitMix64 (Steele, Lea and Flood 2014), counter-based and the same everywhere.
#pragma once

#include <cstdint>

namespace dtopt {

class Random {
  public:
    explicit Random(std::uint64_t seed = 0) : state_(seed) {}

    // Return the next 64 random bits.
    std::uint64_t bits() {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31);
    }

    // Return a random whole number from 0 to bound − 1.
    std::int64_t below(std::int64_t bound) { return static_cast<std::int64_t>(bits() >> 33) % bound; }

    // Return a random number in [0, 1).
    double uniform() { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }

  private:
    std::uint64_t state_;
};

}  // namespace dtopt
