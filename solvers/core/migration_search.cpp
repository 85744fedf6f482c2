#include "solvers/core/migration_search.hpp"

#include <algorithm>
#include <cmath>

namespace dtopt {

MigrationSearch::MigrationSearch(const MigrationView& view, std::span<const std::int64_t> association,
                                 std::uint64_t seed, const MigrationSearchParams& params)
    : view_(view),
      params_(params),
      random_(seed),
      value_of_(view),
      best_(view, association),
      trial_(best_),
      changed_(view.servers(), 0) {
    value_of_.set_values(best_);
    trial_ = best_;
    value_ = best_.total();
    least_ = params.least_gain * std::max(std::abs(value_), 1e-300);
}

void MigrationSearch::run(std::int64_t iterations, Cancellation& cancellation) {
    if (value_ == FORBIDDEN) return;
    if (!has_descended_) {
        has_descended_ = true;
        std::fill(changed_.begin(), changed_.end(), 0);
        descend(cancellation);
        best_ = trial_;
        value_ = best_.total();
    }
    for (std::int64_t iteration = 0; iteration < iterations && !cancellation.requested(); ++iteration) {
        ++iterations_;
        trial_ = best_;
        if (!kick()) continue;
        descend(cancellation);
        const double value = trial_.total();
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
        changed_[static_cast<Size>(trial_.server[static_cast<Size>(user)])] = changed_[static_cast<Size>(to)] = 0;
        trial_.move(user, to);
    }
    for (Size k = 0; k < view_.servers(); ++k) {
        if (changed_[k] < 0) continue;
        trial_.value[k] = value_of_(k, trial_.members[k]);
        if (trial_.value[k] == FORBIDDEN) return false;
    }
    return true;
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
    const std::int32_t from = trial_.server[static_cast<Size>(user)];
    const auto k = static_cast<Size>(from);
    double left = 0.0, best = least_, joined = 0.0;
    bool has_left = false;
    std::int32_t target = -1;
    for (std::int32_t to = 0; to < static_cast<std::int32_t>(view_.servers()); ++to) {
        const auto h = static_cast<Size>(to);
        if (to == from || !view_.is_allowed(static_cast<Size>(user), h) || is_settled(from, to, pass)) continue;
        if (!has_left) {
            left = value_of_(k, trial_.members[k], user);
            has_left = true;
        }
        const double there = value_of_(h, trial_.members[h], -1, user);
        const double gain = left + there - trial_.value[k] - trial_.value[h];
        if (gain > best) {
            best = gain;
            target = to;
            joined = there;
        }
    }
    if (target < 0) return false;
    trial_.move(user, target);
    trial_.value[k] = left;
    trial_.value[static_cast<Size>(target)] = joined;
    changed_[k] = changed_[static_cast<Size>(target)] = pass;
    return true;
}

// Swap a user with later ones where that gains.
bool MigrationSearch::swap_with_later(std::int32_t user, std::int64_t pass) {
    bool improved = false;
    for (std::int32_t other = user + 1; other < static_cast<std::int32_t>(view_.users()); ++other) {
        const std::int32_t mine = trial_.server[static_cast<Size>(user)], its = trial_.server[static_cast<Size>(other)];
        const auto k = static_cast<Size>(mine), h = static_cast<Size>(its);
        if (mine == its || is_settled(mine, its, pass) || !view_.is_allowed(static_cast<Size>(user), h) ||
            !view_.is_allowed(static_cast<Size>(other), k))
            continue;
        const double here = value_of_(k, trial_.members[k], user, other);
        if (here == FORBIDDEN) continue;
        const double there = value_of_(h, trial_.members[h], other, user);
        if (!(here + there - trial_.value[k] - trial_.value[h] > least_)) continue;
        trial_.move(user, its);
        trial_.move(other, mine);
        trial_.value[k] = here;
        trial_.value[h] = there;
        changed_[k] = changed_[h] = pass;
        improved = true;
    }
    return improved;
}

}  // namespace dtopt
