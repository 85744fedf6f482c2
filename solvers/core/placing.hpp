// Placing users one after the other, each where it costs least and there is room.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "solvers/core/placement.hpp"

namespace dtopt {

// What servers hold while users are placed.
struct Rooms {
    const PlacementView& view;
    Doubles load, used;
    Integers count, limit;

    explicit Rooms(const PlacementView& problem)
        : view(problem), load(view.servers()), used(view.servers()), count(view.servers()), limit(view.capacity) {}

    // Return whether the server in a slot of a user's list has room for it.
    bool fits(Size user, Size slot) const {
        const std::int32_t k = view.station(user, slot);
        std::int64_t places = limit[k];
        if (view.data == PairData::LIMITED) places = std::min(places, static_cast<std::int64_t>(view.more(user, slot)));
        return count[k] < places && !(view.has_parts() && used[k] + view.more(user, slot) > FULL);
    }
    // Return what the user adds to the costs of pairs and computing there, deadlines aside.
    double marginal_cost(Size user, Size slot) const {
        const std::int32_t k = view.station(user, slot);
        const double then = compute_cost(view.sharing, load[k] + view.size[user], count[k] + 1, view.cpu[k]);
        return view.cost(user, slot) + then - compute_cost(view.sharing, load[k], count[k], view.cpu[k]);
    }
    void add(Size user, Size slot) {
        const std::int32_t k = view.station(user, slot);
        load[k] += view.size[user];
        ++count[k];
        if (view.has_parts()) used[k] += view.more(user, slot);
        if (view.data == PairData::LIMITED)
            limit[k] = std::min(limit[k], static_cast<std::int64_t>(view.more(user, slot)));
    }

    struct Choice {
        std::int32_t slot = -1;  // −1: no pair has a finite price
        bool fits = false;
    };
    // Return the slot of least price(slot) among those with room, or of all where none has any.
    template <class Price>
    Choice cheapest(Size user, Price price) const {
        Choice choice;
        double best = std::numeric_limits<double>::infinity();
        const auto list = view.station.row(user);
        for (Size c = 0; c < list.size() && list[c] >= 0; ++c) {
            const double now = price(c);
            if (!(now < std::numeric_limits<double>::infinity())) continue;
            const bool room = fits(user, c);
            if ((room && !choice.fits) || (room == choice.fits && now < best)) {
                best = now;
                choice = {static_cast<std::int32_t>(c), room};
            }
        }
        return choice;
    }
};

// Return the slots of users placed in this order at least marginal cost with all servers open, where there is room if
// anywhere. Servers that are `closed` (may be empty) have none.
inline std::vector<std::int32_t> place_in_order(const PlacementView& view, std::span<const std::int32_t> order,
                                                std::span<const bool> closed) {
    Rooms rooms(view);
    for (Size k = 0; k < closed.size(); ++k)
        if (closed[k]) rooms.limit[k] = 0;
    std::vector<std::int32_t> slots(view.users());
    for (const std::int32_t i : order) {
        slots[i] = std::max(0, rooms.cheapest(i, [&](Size c) { return rooms.marginal_cost(i, c); }).slot);
        rooms.add(i, slots[i]);
    }
    return slots;
}

// Return the slots of users placed in this order at least price, shape (N, C), where there is room; −1 where none is.
inline std::vector<std::int32_t> place_at_prices(const PlacementView& view, MatrixView<const double> price,
                                                 std::span<const std::int64_t> order) {
    Rooms rooms(view);
    std::vector<std::int32_t> slots(view.users(), -1);
    for (const std::int64_t i : order) {
        const auto choice = rooms.cheapest(i, [&](Size c) { return price(i, c); });
        if (!choice.fits) continue;
        slots[i] = choice.slot;
        rooms.add(i, choice.slot);
    }
    return slots;
}

}  // namespace dtopt
