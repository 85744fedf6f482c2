// All subsets of users that a cell may hold in a better solution than the incumbent, by reduced worth.
//
// At prices with the value g each cell wins at most G_k with any subset. A solution better than the incumbent z loses
// less than g − z to that over all cells together, so in each cell too its subset is worth more than G_k − (g − z),
// less its prices. Within a segment of levels the margins say what each user more or less costs, which is what the
// enumeration is cut by; the subsets found are then valued exactly.
#pragma once

#include <cstdint>

#include "dtopt/core/cancellation.hpp"
#include "solvers/core/slot_dual.hpp"

namespace dtopt {

// Subsets of users as the edges that they come by.
struct SlotSubsets {
    Integers cell;                   // of each subset
    Integers starts{0};              // where its edges begin; one more at the end
    Doubles worth;                   // of each subset
    Integers row, source, position;  // of each edge: the row, its position before, and here
    bool is_complete = true;         // false where there are more than were asked for
};

// How much an enumeration of subsets may take.
struct SlotSubsetParams {
    std::int64_t edges = 32;     // of each subset that is asked for, on average
    std::int64_t steps = 10'000; // of the enumeration, for each of them
};

// Return all subsets that are worth more at these prices than what their cell wins less `room`, g − z. The enumeration
// ends, incomplete, with more than `limit` subsets, or where it takes more than `params` allow.
SlotSubsets find_subsets(const SlotDual& dual, const SlotPrices& prices, double room, std::int64_t limit,
                         const SlotSubsetParams& params, Cancellation& cancellation);

}  // namespace dtopt
