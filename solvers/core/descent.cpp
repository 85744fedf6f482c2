#include "solvers/core/descent.hpp"

#include "solvers/core/moves.hpp"

namespace dtopt {

std::int64_t sweep(PlacementState& state, std::span<const std::int32_t> users, Cancellation& cancellation) {
    const bool bound_is_exact = state.view().data == PairData::NONE;
    Poll<256> cancelled(cancellation);
    std::int64_t moved = 0;
    for (const std::int32_t user : users) {
        if (cancelled()) break;
        if (!(bound_is_exact && !state.has_overload()) && !may_shift(state, user)) continue;
        if (const Shift shift = Shift::evaluate(state, user, -state.least_gain())) {
            shift.apply(state);
            ++moved;
        }
    }
    return moved;
}

std::int64_t exchange(PlacementState& state, std::span<const std::int32_t> users, std::int64_t partners, bool ejections,
                      Random& random, Cancellation& cancellation) {
    std::int64_t moved = 0;
    for (const std::int32_t user : users) {
        if (cancellation.requested()) break;
        if (const Swap swap = Swap::evaluate(state, user, partners, random)) {
            swap.apply(state);
            ++moved;
        } else if (ejections) {
            if (const Ejection ejection = Ejection::evaluate(state, user)) {
                ejection.apply(state);
                ++moved;
            }
        }
    }
    return moved;
}

void settle(PlacementState& state, std::span<const std::int32_t> users, Stage stage, std::int64_t passes,
            std::int64_t partners, Random& random, Cancellation& cancellation) {
    for (std::int64_t round = 0; round < passes; ++round) {
        for (std::int64_t pass = 0; pass < passes; ++pass)
            if (sweep(state, users, cancellation) == 0 || stage == Stage::SWEEP) break;
        if (stage <= Stage::SHIFTS) return;
        if (exchange(state, users, partners, stage == Stage::EJECTIONS, random, cancellation) == 0) return;
    }
}

}  // namespace dtopt
