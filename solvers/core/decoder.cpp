#include "solvers/core/decoder.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "dtopt/core/random.hpp"
#include "solvers/core/descent.hpp"

namespace dtopt {

namespace {

constexpr double NEVER = std::numeric_limits<double>::infinity();

// What a user loses without its cheapest open server, negated; −∞ where it has no other.
double negated_regret(const PlacementView& view, std::span<const bool> is_open, std::span<const float> priced,
                      Size user) {
    double best = NEVER, second = NEVER;
    const auto list = view.station.row(user);
    for (Size c = 0; c < list.size() && list[c] >= 0; ++c) {
        if (!is_open[static_cast<Size>(list[c])] || !(priced[c] < second)) continue;
        second = priced[c];
        if (second < best) std::swap(best, second);
    }
    return second < NEVER ? best - second : -NEVER;
}

}  // namespace

Decoder::Decoder(const PlacementView& view, const DecoderParams& params)
    : view_(view), params_(params), state_(view), users_(view.users()), slots_(view.users()) {
    std::iota(users_.begin(), users_.end(), 0);
}

double Decoder::decode(std::span<const bool> is_open, MatrixView<const float> priced, std::int64_t rounds, bool swaps,
                       Cancellation& cancellation) {
    Rooms rooms(view_);
    place(is_open, priced, rooms);
    fill_empty(is_open, priced, rooms);
    state_.load(slots_);
    const auto n = static_cast<std::int64_t>(view_.users());
    const auto few = static_cast<std::int64_t>(params_.settled * static_cast<double>(n));
    const std::int64_t partners = n <= params_.few_users ? n : params_.partners;
    Random random(0);
    for (std::int64_t round = 0; round < rounds; ++round) {
        state_.forget();
        if (sweep(state_, users_, cancellation) > few) continue;
        state_.forget();
        if (!swaps) break;
        const bool ejections = view_.data == PairData::FITTING;
        if (exchange(state_, users_, partners, ejections, random, cancellation) <= few) break;
    }
    state_.forget();
    return state_.is_feasible() ? state_.cost() : NEVER;
}

// Send users to the cheapest open server with room, those first that have most to lose.
void Decoder::place(std::span<const bool> is_open, MatrixView<const float> priced, Rooms& rooms) {
    Doubles regret(view_.users());
    for (Size i = 0; i < regret.size(); ++i) regret[i] = negated_regret(view_, is_open, priced.row(i), i);
    std::vector<std::int32_t> order = users_;
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
        return regret[static_cast<Size>(a)] < regret[static_cast<Size>(b)];
    });
    for (const std::int32_t user : order) {
        const auto i = static_cast<Size>(user);
        const auto price = [&](Size c) { return view_.cost(i, c) < NEVER ? static_cast<double>(priced(i, c)) : NEVER; };
        const auto open_price = [&](Size c) {
            return is_open[static_cast<Size>(view_.station(i, c))] ? price(c) : NEVER;
        };
        std::int32_t slot = rooms.cheapest(i, open_price).slot;
        if (slot < 0) {
            // None of the open servers is listed: the cheapest of all is opened, whether it has room or not.
            slot = 0;
            const auto list = view_.station.row(i);
            for (Size c = 1; c < list.size() && list[c] >= 0; ++c)
                if (price(c) < price(static_cast<Size>(slot))) slot = static_cast<std::int32_t>(c);
        }
        slots_[i] = slot;
        rooms.add(i, static_cast<Size>(slot));
    }
}

// Give each open server that is still empty the user that loses least: sweeps open none, but may empty it again.
void Decoder::fill_empty(std::span<const bool> is_open, MatrixView<const float> priced, Rooms& rooms) {
    const auto is_empty = [&](Size h) { return is_open[h] && rooms.count[h] == 0 && view_.capacity[h] > 0; };
    struct Candidate {
        double loss = NEVER;
        std::int32_t user = -1, slot = 0;
    };
    std::vector<Candidate> candidates(view_.servers());
    bool any = false;
    for (Size h = 0; h < candidates.size(); ++h) any = any || is_empty(h);
    if (!any) return;
    for (Size i = 0; i < slots_.size(); ++i) {
        const auto list = view_.station.row(i);
        const double own = priced(i, static_cast<Size>(slots_[i]));
        for (Size c = 0; c < list.size() && list[c] >= 0; ++c) {
            const auto h = static_cast<Size>(list[c]);
            if (!is_empty(h) || !(priced(i, c) - own < candidates[h].loss)) continue;
            candidates[h] = {priced(i, c) - own, static_cast<std::int32_t>(i), static_cast<std::int32_t>(c)};
        }
    }
    for (Size h = 0; h < candidates.size(); ++h) {
        const Candidate& one = candidates[h];
        if (one.user < 0) continue;
        const auto i = static_cast<Size>(one.user);
        const auto k = static_cast<Size>(view_.station(i, static_cast<Size>(slots_[i])));
        if (rooms.count[k] <= 1) continue;
        slots_[i] = one.slot;
        --rooms.count[k];
        ++rooms.count[h];
    }
}

}  // namespace dtopt
