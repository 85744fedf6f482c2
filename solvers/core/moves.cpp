#include "solvers/core/moves.hpp"

#include <algorithm>
#include <cmath>

namespace dtopt {

namespace {

struct Found {
    double change;
    std::int32_t slot;
};

// Return the cheapest shift where only loads matter; `base` is what leaving changes.
Found scan(const PlacementState& state, std::int32_t user, double base, double best) {
    const PlacementView& view = state.view();
    const auto width = static_cast<std::int32_t>(view.width());
    const std::int32_t* station = view.station.row(user).data();
    const double* cost = view.cost.row(user).data();
    const JoiningPrice* prices = state.prices();
    const double size = view.size[user];
    const std::int32_t server = state.user(user).server;
    std::int32_t target = -1;
    for (std::int32_t c = 0; c < width; ++c) {
        const std::int32_t h = station[c];
        if (h < 0) break;
        const double change = base + cost[c] + prices[h].first + prices[h].at(size);
        if (change < best && h != server) {
            best = change;
            target = c;
        }
    }
    return {best, target};
}

// The same where the user's CPU part has to fit, and costs depend on nothing else (fixed sharing).
Found scan_fitting(const PlacementState& state, std::int32_t user, double base, double best) {
    const PlacementView& view = state.view();
    const auto station = view.station.row(user);
    const auto cost = view.cost.row(user), part = view.more.row(user);
    const std::int32_t server = state.user(user).server;
    std::int32_t target = -1;
    for (Size c = 0; c < station.size(); ++c) {
        const std::int32_t h = station[c];
        if (h < 0) break;
        double change = base + cost[c] + state.prices()[h].first;
        if (change < best && h != server) {
            const ServerState& to = state.server(h);
            change += state.cpu_excess(to.used + part[c], to.weight) - state.cpu_excess(to.used, to.weight);
            if (change < best) {
                best = change;
                target = static_cast<std::int32_t>(c);
            }
        }
    }
    return {best, target};
}

// The same where deadlines matter; `base` is only a bound unless it is `exact`.
Found scan_exactly(const PlacementState& state, std::int32_t user, double base, bool exact, double best) {
    const auto station = state.view().station.row(user);
    const auto cost = state.view().cost.row(user);
    const double size = state.view().size[user];
    const std::int32_t server = state.user(user).server;
    std::int32_t target = -1;
    for (Size c = 0; c < station.size(); ++c) {
        const std::int32_t h = station[c];
        if (h < 0) break;
        const JoiningPrice& price = state.prices()[h];
        if (base + cost[c] + price.first + price.at(size) >= best || h == server) continue;
        if (!exact) {
            base = state.leaving(user);
            exact = true;
        }
        const double change = base + state.joining(user, static_cast<std::int32_t>(c));
        if (change < best) {
            best = change;
            target = static_cast<std::int32_t>(c);
        }
    }
    return {best, target};
}

}  // namespace

bool may_shift(const PlacementState& state, std::int32_t user) {
    return state.has_overload() || scan(state, user, state.leaving_bound(user), -state.least_gain()).slot >= 0;
}

Shift Shift::evaluate(const PlacementState& state, std::int32_t user, double enough) {
    const bool exact = state.has_overload();
    const double base = exact ? state.leaving(user) : state.leaving_bound(user);
    Found found{};
    switch (state.view().data) {
        case PairData::NONE: found = scan(state, user, base, enough); break;
        case PairData::FITTING: found = scan_fitting(state, user, base, enough); break;
        default: found = scan_exactly(state, user, base, exact, enough);
    }
    return {user, found.slot, found.change};
}

Swap Swap::evaluate(const PlacementState& state, std::int32_t user, std::int64_t partners, Random& random) {
    const PlacementView& view = state.view();
    const PairData data = view.data;
    const bool has_parts = view.has_parts(), has_times = view.has_times();
    const bool overload = state.has_overload();
    const auto station = view.station.row(user);
    const auto [k, own, place] = state.user(user);
    const ServerState& from = state.server(k);
    const double size = view.size[user], cpu = view.cpu[k];
    const std::int64_t count = from.count();
    double best = -state.least_gain();
    Swap swap{user};
    for (Size c = 0; c < station.size(); ++c) {
        const std::int32_t h = station[c];
        if (h < 0) break;
        const ServerState& to = state.server(h);
        const std::int64_t n = to.count();
        if (n == 0 || h == k || std::isinf(view.cost(user, c))) continue;
        const double base = view.cost(user, c) - view.cost(user, own) - from.value - to.value;
        const std::int64_t tries = std::min(n, partners);
        std::int64_t at = tries < n ? random.below(n) : 0;
        for (std::int64_t trial = 0; trial < tries; ++trial) {
            const std::int32_t j = to.members[at];
            at = at + 1 < n ? at + 1 : 0;
            const std::int32_t back = view.slot_of(j, k);
            if (back < 0) continue;
            const std::int32_t there = state.user(j).slot;
            const double step = view.size[j] - size;
            const double pairs = base + view.cost(j, back) - view.cost(j, there);
            double change = pairs + compute_cost(view.sharing, from.load + step, count, cpu) +
                            compute_cost(view.sharing, to.load - step, n, view.cpu[h]);
            if (change >= best && !overload) continue;
            double excess = 0.0;
            if (has_parts) {
                excess += state.cpu_excess(from.used + view.more(j, back) - view.more(user, own), from.weight) -
                          state.cpu_excess(from.used, from.weight);
                excess += state.cpu_excess(to.used + view.more(user, c) - view.more(j, there), to.weight) -
                          state.cpu_excess(to.used, to.weight);
            } else if (data == PairData::LIMITED) {
                // What the one who leaves allowed goes on to count, which matters only where a server is overloaded.
                const std::int64_t here = state.places(k), other = state.places(h);
                const auto for_j = static_cast<std::int64_t>(view.more(j, back));
                const auto for_user = static_cast<std::int64_t>(view.more(user, c));
                excess += state.place_excess(count, std::min(here, for_j), from.weight) -
                          state.place_excess(count, here, from.weight);
                excess += state.place_excess(n, std::min(other, for_user), to.weight) -
                          state.place_excess(n, other, to.weight);
            }
            if (change + excess >= best) continue;
            change += excess;
            if (has_times) {
                double most = std::max(urgency(data, view.more(j, back), view.size[j], view.rate[j]), from.urgency);
                change = pairs + excess + state.value_with(k, user, j, back, from.load + step, count, most);
                most = std::max(to.urgency, urgency(data, view.more(user, c), size, view.rate[user]));
                change += state.value_with(h, j, user, static_cast<std::int32_t>(c), to.load - step, n, most);
                if (change >= best) continue;
            }
            best = change;
            swap = {user, j, static_cast<std::int32_t>(c), back};
        }
    }
    return swap;
}

Ejection Ejection::evaluate(PlacementState& state, std::int32_t user) {
    const PlacementView& view = state.view();
    const bool has_parts = view.has_parts();
    const auto station = view.station.row(user);
    const std::int32_t k = state.user(user).server;
    double base = 0.0;
    for (Size slot = 0; slot < station.size(); ++slot) {
        const std::int32_t h = station[slot], c = static_cast<std::int32_t>(slot);
        if (h < 0) break;
        const ServerState& to = state.server(h);
        const std::int64_t n = to.count();
        if (n == 0 || h == k || std::isinf(view.cost(user, c))) continue;
        const bool no_place = n + 1 > state.places(h);
        const bool too_many = view.data == PairData::LIMITED && static_cast<double>(n + 1) > view.more(user, c);
        const bool overfull = has_parts && to.used + view.more(user, c) > FULL;
        if (!no_place && !too_many && !overfull) continue;
        if (base == 0.0) base = state.leaving(user);
        // What the shift changes at least, were there a place.
        if (base + state.joining_bound(user, c) - (no_place ? to.weight : 0.0) >= -state.least_gain()) continue;
        const auto mark = state.mark();
        const Shift in{user, c};
        in.apply(state);
        const double risen = state.cost() + state.excess() - mark.cost - mark.excess;
        Shift out{-1, -1, -state.least_gain() - risen};
        for (std::int64_t at = 0; at < n; ++at)
            if (const Shift found = Shift::evaluate(state, to.members[at], out.change)) out = found;
        state.undo(mark);
        if (out) return {in, out};
    }
    return {};
}

}  // namespace dtopt
