#include "solvers/core/migration_search.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace dtopt {

MigrationSearch::MigrationSearch(const MigrationView& view, std::span<const std::int64_t> association,
                                 std::uint64_t seed, const MigrationSearchParams& params)
    : view_(view),
      params_(params),
      random_(seed),
      value_of_(view),
      best_{MigrationState(view, association), std::vector<ServerWeight>(view.servers()),
            std::vector<UserWorth>(view.users())},
      trial_(best_),
      changed_(view.servers(), 0) {
    value_of_.set_values(best_.state);
    for (Size k = 0; k < view.servers(); ++k)
        best_.weight[k] = value_of_.weigh(k, best_.state.members[k], best_.own);
    trial_ = best_;
    value_ = best_.state.total();
    least_ = params.least_gain * std::max(std::abs(value_), 1e-300);
}

void MigrationSearch::run(std::int64_t iterations, Cancellation& cancellation) {
    if (value_ == FORBIDDEN) return;
    if (!has_descended_) {
        has_descended_ = true;
        std::fill(changed_.begin(), changed_.end(), 0);
        descend(cancellation);
        best_ = trial_;
        value_ = best_.state.total();
    }
    for (std::int64_t iteration = 0; iteration < iterations && !cancellation.requested(); ++iteration) {
        ++iterations_;
        trial_ = best_;
        if (!kick()) continue;
        descend(cancellation);
        const double value = trial_.state.total();
        if (value > value_ + least_) {
            std::swap(best_, trial_);
            value_ = value;
        }
    }
}

bool MigrationSearch::kick() {
    std::fill(changed_.begin(), changed_.end(), -1);
    const std::int64_t more = params_.most_kicked - params_.least_kicked + 1;
    for (std::int64_t left = params_.least_kicked + random_.below(more); left > 0; --left) {
        const auto user = static_cast<std::int32_t>(random_.below(static_cast<std::int64_t>(view_.users())));
        const auto to = static_cast<std::int32_t>(random_.below(static_cast<std::int64_t>(view_.servers())));
        if (!view_.is_allowed(static_cast<Size>(user), static_cast<Size>(to))) continue;
        changed_[static_cast<Size>(trial_.state.server[static_cast<Size>(user)])] = 0;
        changed_[static_cast<Size>(to)] = 0;
        trial_.state.move(user, to);
    }
    for (Size k = 0; k < view_.servers(); ++k) {
        if (changed_[k] < 0) continue;
        const double value = value_of_(k, trial_.state.members[k]);
        if (value == FORBIDDEN) return false;
        changed(k, value, 0);
    }
    return true;
}

void MigrationSearch::changed(Size server, double value, std::int64_t pass) {
    trial_.state.value[server] = value;
    trial_.weight[server] = value_of_.weigh(server, trial_.state.members[server], trial_.own);
    changed_[server] = pass;
}

double MigrationSearch::join_bound(Size user, Size server) const {
    const ServerWeight& there = trial_.weight[server];
    const double load = view_.load(user, server), level = there.level + load;
    // Clamped users lose nothing more.
    const double lost = level < there.first_turn ? there.pressure * load / (1.0 + there.steepest * load) : 0.0;
    return worth_at(view_, user, server, level).worth - lost + view_.bonus_of(user, server);
}

double MigrationSearch::swap_bound(Size server, Size user, Size other) const {
    const ServerWeight& there = trial_.weight[server];
    const double change = view_.load(other, server) - view_.load(user, server), level = there.level + change;
    const UserWorth& mine = trial_.own[user];
    // Where shares are clamped, or so much changes, only the exact value will do.
    const bool clamps = view_.sharing == Sharing::OPTIMAL && !(std::max(there.level, level) < there.first_turn);
    const double bend = 1.0 + there.steepest * change;
    if (clamps || bend <= 0.0) return INFINITY;
    const double others = -std::max(there.pressure - mine.fall, 0.0) * change / bend;
    return worth_at(view_, other, server, level).worth - mine.worth + others + view_.bonus_of(other, server) -
           view_.bonus_of(user, server);
}

void MigrationSearch::descend(Cancellation& cancellation) {
    const auto n = static_cast<std::int32_t>(view_.users());
    const bool swaps = n <= params_.most_swapped;
    bool improved = true;
    for (std::int64_t pass = 1; improved; ++pass) {
        improved = false;
        for (std::int32_t i = 0; i < n; ++i) {
            if (cancellation.requested()) return;
            improved |= shift(i, pass);
        }
        for (std::int32_t i = 0; swaps && i < n; ++i) {
            if (cancellation.requested()) return;
            improved |= swap_with_later(i, pass);
        }
    }
}

// Shift a user to where that gains most.
bool MigrationSearch::shift(std::int32_t user, std::int64_t pass) {
    MigrationState& state = trial_.state;
    const auto i = static_cast<Size>(user);
    const std::int32_t from = state.server[i];
    const auto k = static_cast<Size>(from);
    double left = 0.0, best = least_, joined = 0.0;
    bool has_left = false;
    std::int32_t target = -1;
    for (std::int32_t to = 0; to < static_cast<std::int32_t>(view_.servers()); ++to) {
        const auto h = static_cast<Size>(to);
        if (to == from || !view_.is_allowed(i, h) || is_settled(from, to, pass)) continue;
        if (!std::exchange(has_left, true)) left = value_of_(k, state.members[k], user);
        if (left - state.value[k] + join_bound(i, h) < best) continue;
        const double there = value_of_(h, state.members[h], -1, user);
        const double gain = left + there - state.value[k] - state.value[h];
        if (gain > best) {
            best = gain;
            target = to;
            joined = there;
        }
    }
    if (target < 0) return false;
    state.move(user, target);
    changed(k, left, pass);
    changed(static_cast<Size>(target), joined, pass);
    return true;
}

// Swap a user with later ones where that gains.
bool MigrationSearch::swap_with_later(std::int32_t user, std::int64_t pass) {
    MigrationState& state = trial_.state;
    const auto i = static_cast<Size>(user);
    bool improved = false;
    for (std::int32_t other = user + 1; other < static_cast<std::int32_t>(view_.users()); ++other) {
        const auto j = static_cast<Size>(other);
        const std::int32_t mine = state.server[i], its = state.server[j];
        const auto k = static_cast<Size>(mine), h = static_cast<Size>(its);
        if (mine == its || is_settled(mine, its, pass) || !view_.is_allowed(i, h) || !view_.is_allowed(j, k)) continue;
        if (swap_bound(k, i, j) + swap_bound(h, j, i) < least_) continue;
        const double here = value_of_(k, state.members[k], user, other);
        if (here == FORBIDDEN) continue;
        const double there = value_of_(h, state.members[h], other, user);
        if (!(here + there - state.value[k] - state.value[h] > least_)) continue;
        state.move(user, its);
        state.move(other, mine);
        changed(k, here, pass);
        changed(h, there, pass);
        improved = true;
    }
    return improved;
}

}  // namespace dtopt
