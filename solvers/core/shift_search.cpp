#include "solvers/core/shift_search.hpp"

#include <algorithm>
#include <cmath>

namespace dtopt {

ShiftSearch::ShiftSearch(const MigrationView& view, std::span<const std::int64_t> association)
    : view_(view),
      value_of_(view),
      state_(view, association),
      weight_(view.servers()),
      own_(view.users()),
      estimate_(view.servers()) {
    value_of_.set_values(state_);
    for (Size k = 0; k < view.servers(); ++k) weigh(k);
}

double ShiftSearch::promise(Size user, Size server) const {
    if (!view_.is_allowed(user, server)) return FORBIDDEN;
    const double load = view_.load(user, server), bonus = view_.bonus_of(user, server);
    const ServerWeight& there = weight_[server];
    if (state_.server[user] == static_cast<std::int32_t>(server))
        return own_[user].worth - std::max(there.pressure - own_[user].fall, 0.0) * load + bonus;
    return worth_at(view_, user, server, there.level + load).worth - std::max(there.pressure, 0.0) * load + bonus;
}

void ShiftSearch::estimate(Size user, double here, double least) {
    const auto alone = view_.alone.row(user);
    const double size = view_.size[user], growth = view_.growth[user];
    for (Size h = 0; h < view_.servers(); ++h) {
        estimate_[h] = FORBIDDEN;
        if (static_cast<std::int32_t>(h) == state_.server[user]) continue;
        const double load = size * view_.part[h];
        // e^−x is at most 1 / (1 + x), which spares most exponentials.
        double most = alone[h] / (1.0 + growth * view_.rate[h] * (weight_[h].level + load));
        if (view_.hard) most = std::max(most, view_.beta);
        if (most - weight_[h].pressure * load + view_.bonus_of(user, h) > here + least) estimate_[h] = promise(user, h);
    }
}

void ShiftSearch::run(const ShiftParams& params, Cancellation& cancellation) {
    const double whole = std::abs(state_.total()), least = params.least_gain * std::max(whole, 1e-300);
    for (std::int64_t pass = 0; pass < params.passes; ++pass) {
        bool moved = false;
        double gained = 0.0;
        for (Size i = 0; i < view_.users(); ++i) {
            if (cancellation.requested()) return;
            const auto user = static_cast<std::int32_t>(i);
            const std::int32_t from = state_.server[i];
            const auto k = static_cast<Size>(from);
            const double here = from >= 0 ? promise(i, k) : FORBIDDEN;
            estimate(i, here, least);
            double left = NAN;
            const auto tries = from >= 0 ? params.tries : static_cast<std::int64_t>(view_.servers());
            for (std::int64_t tried = 0; tried < tries; ++tried) {
                const auto best = std::max_element(estimate_.begin(), estimate_.end());
                if (!(*best > here + least)) break;
                *best = FORBIDDEN;
                const auto h = static_cast<Size>(best - estimate_.begin());
                const double there = value_of_(h, state_.members[h], -1, user);
                if (there == FORBIDDEN) continue;
                if (from >= 0) {
                    if (std::isnan(left)) left = value_of_(k, state_.members[k], user);
                    const double gain = left + there - state_.value[k] - state_.value[h];
                    if (!(gain > least)) continue;
                    gained += gain;
                }
                state_.move(user, static_cast<std::int32_t>(h));
                state_.value[h] = there;
                weigh(h);
                if (from >= 0) {
                    state_.value[k] = left;
                    weigh(k);
                }
                moved = true;
                break;
            }
        }
        if (!moved || gained < params.enough * whole) break;
    }
}

std::int64_t ShiftSearch::missing() const {
    return std::count(state_.server.begin(), state_.server.end(), std::int32_t{-1});
}

}  // namespace dtopt
