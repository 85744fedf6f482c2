#include "solvers/core/shift_search.hpp"

#include <algorithm>
#include <cmath>

#include "dtopt/core/elementary.hpp"

namespace dtopt {

ShiftSearch::ShiftSearch(const MigrationView& view, std::span<const std::int64_t> association)
    : view_(view),
      value_of_(view),
      state_(view, association),
      level_(view.servers()),
      pressure_(view.servers()),
      estimate_(view.servers()) {
    value_of_.set_values(state_);
    for (Size k = 0; k < view.servers(); ++k) weigh(k);
}

ShiftSearch::Own ShiftSearch::own(Size user, Size server, double level) const {
    const double pace = view_.sharing == Sharing::FIXED ? 0.0 : view_.pace(user, server);
    const double late = (pace > 0.0 ? pace * level : 0.0) - view_.slack(user, server);
    // Under optimal sharing the others make room for it; what breaks a rule, the exact value sees.
    if (view_.hard && late > 0.0) return {view_.beta, 0.0};
    double worth = view_.beta * exp(-late), fall = worth * pace;
    if (late > 0.0) {
        worth -= view_.penalty * late;
        fall += view_.penalty * pace;
    }
    return {worth, fall};
}

void ShiftSearch::weigh(Size server) {
    double level = 0.0, pressure = 0.0;
    for (const std::int32_t i : state_.members[server]) level += view_.load(static_cast<Size>(i), server);
    if (view_.sharing != Sharing::FIXED)
        for (const std::int32_t i : state_.members[server]) pressure += own(static_cast<Size>(i), server, level).fall;
    level_[server] = level;
    pressure_[server] = pressure;
}

double ShiftSearch::promise(Size user, Size server) const {
    if (!view_.is_allowed(user, server)) return FORBIDDEN;
    const bool is_home = state_.server[user] == static_cast<std::int32_t>(server);
    const double load = view_.sharing == Sharing::FIXED ? 0.0 : view_.load(user, server);
    const Own mine = own(user, server, is_home ? level_[server] : level_[server] + load);
    const double others = is_home ? pressure_[server] - mine.fall : pressure_[server];
    return mine.worth - std::max(others, 0.0) * load + view_.bonus_of(user, server);
}

void ShiftSearch::estimate(Size user, double here, double least) {
    const auto alone = view_.alone.row(user);
    const double size = view_.sharing == Sharing::FIXED ? 0.0 : view_.size[user], growth = view_.growth[user];
    for (Size h = 0; h < view_.servers(); ++h) {
        estimate_[h] = FORBIDDEN;
        if (static_cast<std::int32_t>(h) == state_.server[user]) continue;
        const double load = size * view_.part[h];
        // e^−x is at most 1 / (1 + x), which spares most exponentials.
        double most = alone[h] / (1.0 + growth * view_.rate[h] * (level_[h] + load));
        if (view_.hard) most = std::max(most, view_.beta);
        if (most - pressure_[h] * load + view_.bonus_of(user, h) > here + least) estimate_[h] = promise(user, h);
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
