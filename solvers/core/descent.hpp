// Local descent: shifts, swaps and ejections among some users until none helps.
#pragma once

#include <cstdint>
#include <span>

#include "dtopt/core/cancellation.hpp"
#include "dtopt/core/random.hpp"
#include "solvers/core/placement_state.hpp"

namespace dtopt {

// Which moves a descent makes; each stage has those of the stages before it too.
enum class Stage { SWEEP, SHIFTS, SWAPS, EJECTIONS };  // one sweep of shifts; shifts until none helps; …

// Shift users to their best open servers; return how many moved. Where cancelled, it ends early.
std::int64_t sweep(PlacementState& state, std::span<const std::int32_t> users, Cancellation& cancellation);

// Swap users where that helps, or else eject, if asked to; return how often. Where cancelled, it ends early.
//
// Of each server at most `partners` are tried, drawn at random.
std::int64_t exchange(PlacementState& state, std::span<const std::int32_t> users, std::int64_t partners, bool ejections,
                      Random& random, Cancellation& cancellation);

// Descend by the moves of a stage, in at most `passes` rounds.
void settle(PlacementState& state, std::span<const std::int32_t> users, Stage stage, std::int64_t passes,
            std::int64_t partners, Random& random, Cancellation& cancellation);

}  // namespace dtopt
