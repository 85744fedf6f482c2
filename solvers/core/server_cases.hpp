// The servers of a neighbourhood as knapsacks, whatever their sharing.
#pragma once

#include <cstdint>
#include <span>

#include "solvers/core/knapsack_bound.hpp"
#include "solvers/core/placement.hpp"

namespace dtopt {

// Return the cases of a neighbourhood, `view`: a dense placement. `slots` has where its users are now. Under fixed
// sharing, `weight`, shape (P, N), and `room` are demands and CPUs in grains. Under the others the load is cut into so
// many grains, and load and count of a server are at most `growth` times the larger of its own and its share of all.
ServerCases make_cases(const PlacementView& view, std::span<const std::int32_t> slots,
                       const Matrix<std::int32_t>& weight, std::span<const std::int64_t> room, std::int64_t grains,
                       double growth);

}  // namespace dtopt
