#include "solvers/core/server_value.hpp"

#include <algorithm>
#include <cmath>

#include "dtopt/core/elementary.hpp"
#include "dtopt/core/hot.hpp"
#include "dtopt/core/sums.hpp"

namespace dtopt {

namespace {

constexpr double INF = std::numeric_limits<double>::infinity();

// Sums over users at one level.
struct LevelSums {
    double worth;  // Σ e^−late
    double late;   // Σ max(0, late), s
    double missed; // how many miss their deadline by more than they may
};

// Where `clamps`, users who would miss their deadline are on time: their share is clamped.
DTOPT_INLINE LevelSums sums_body(const double* pace, const double* slack, const double* allowance, const double* live,
                                 Size padded, double level, bool clamps) {
    Lanes worth, lateness, missed;
    for (Size j = 0; j < padded; j += LANES) {
        for (Size x = 0; x < LANES; ++x) {
            const Size p = j + x;
            double late = (pace[p] > 0.0 ? pace[p] * level : 0.0) - slack[p];
            const double misses = late > allowance[p] ? 1.0 : 0.0;
            late = clamps && misses > 0.0 ? 0.0 : late;
            worth.lane[x] += live[p] * exp(-late);
            lateness.lane[x] += late > 0.0 ? late : 0.0;
            missed.lane[x] += misses;
        }
    }
    return {worth.total(), lateness.total(), missed.total()};
}

DTOPT_HOT(LevelSums, sums_at,
          (const double* pace, const double* slack, const double* allowance, const double* live, Size padded,
           double level, bool clamps),
          sums_body, (pace, slack, allowance, live, padded, level, clamps))

DTOPT_INLINE void alone_body(const double* slack, double beta, Size size, double* alone) {
    for (Size j = 0; j < size; ++j) alone[j] = beta * exp(slack[j]);
}

DTOPT_HOT(void, fill_alone, (const double* slack, double beta, Size size, double* alone), alone_body,
          (slack, beta, size, alone))

Size padded_size(Size count) { return (count + LANES - 1) / LANES * LANES; }

}  // namespace

void MigrationView::finish() {
    alone = Matrix<double>(users(), servers());
    fill_alone(slack.data(), beta, alone.values().size(), alone.data());
}

MigrationState::MigrationState(const MigrationView& view, std::span<const std::int64_t> association)
    : server(view.users(), -1), members(view.servers()), value(view.servers(), 0.0) {
    for (Size i = 0; i < association.size(); ++i)
        if (association[i] >= 0) move(static_cast<std::int32_t>(i), static_cast<std::int32_t>(association[i]));
}

double MigrationState::total() const {
    return lane_sum(0, value.size(), [&](Size k) { return value[k]; });
}

void MigrationState::move(std::int32_t user, std::int32_t to) {
    std::int32_t& at = server[static_cast<Size>(user)];
    if (at >= 0) {
        Shorts& old = members[static_cast<Size>(at)];
        *std::find(old.begin(), old.end(), user) = old.back();
        old.pop_back();
    }
    if (to >= 0) members[static_cast<Size>(to)].push_back(user);
    at = to;
}

ServerValue::ServerValue(const MigrationView& view) : view_(view) {
    const Size room = padded_size(view.users() + 1);
    for (Doubles* numbers : {&pace_, &slack_, &allowance_, &load_, &live_}) numbers->assign(room, 0.0);
    users_.reserve(room);
}

double ServerValue::operator()(Size server, std::span<const std::int32_t> members, std::int32_t without,
                               std::int32_t extra) {
    users_.clear();
    for (const std::int32_t user : members)
        if (user != without) users_.push_back(user);
    if (extra >= 0) users_.push_back(extra);
    const Size count = users_.size();
    if (count == 0) return 0.0;
    if (static_cast<std::int64_t>(count) > view_.capacity[server]) return FORBIDDEN;
    if (view_.sharing == Sharing::FIXED) return fixed_value(server, users_);
    double level = 0.0, bonus = 0.0;
    for (Size p = 0; p < count; ++p) {
        const auto i = static_cast<Size>(users_[p]);
        if (!view_.is_allowed(i, server)) return FORBIDDEN;
        pace_[p] = view_.pace(i, server);
        slack_[p] = view_.slack(i, server);
        allowance_[p] = view_.hard ? view_.allowance(i) : INF;
        load_[p] = view_.load(i, server);
        live_[p] = 1.0;
        level += load_[p];
        bonus += view_.bonus_of(i, server);
    }
    const Size padded = padded_size(count);
    for (Size p = count; p < padded; ++p) pace_[p] = slack_[p] = allowance_[p] = live_[p] = 0.0;
    const bool clamps = view_.hard && view_.sharing == Sharing::OPTIMAL;
    if (clamps) level = filled_level(count, level);
    if (level < 0.0) return FORBIDDEN;
    const LevelSums sums =
        sums_at(pace_.data(), slack_.data(), allowance_.data(), live_.data(), padded, level, clamps);
    if (!clamps && sums.missed > 0.0) return FORBIDDEN;
    return view_.beta * sums.worth - (view_.penalty > 0.0 ? view_.penalty * sums.late : 0.0) + bonus;
}

double ServerValue::fixed_value(Size server, std::span<const std::int32_t> users) const {
    double used = 0.0, total = 0.0;
    for (const std::int32_t user : users) {
        const auto i = static_cast<Size>(user);
        if (!view_.is_allowed(i, server)) return FORBIDDEN;
        const double late = -view_.slack(i, server);
        if (view_.hard && late > view_.allowance(i)) return FORBIDDEN;
        used += view_.demand(i, server);
        total += view_.alone(i, server) - (late > 0.0 ? view_.penalty * late : 0.0) + view_.bonus_of(i, server);
    }
    return used > FULL_LIMIT ? FORBIDDEN : total;
}

// Return the level at which the users' shares fill the CPU, −1 where they need more than all of it.
double ServerValue::filled_level(Size count, double load) const {
    double level = load;
    for (Size clamped = 0;;) {
        double left = 1.0, free = 0.0;
        for (Size p = 0; p < count; ++p) {
            const double room = slack_[p] + allowance_[p];
            if (clamped > 0 && pace_[p] * level > room)
                left -= load_[p] * pace_[p] / room;
            else
                free += load_[p];
        }
        if (left < 0.0) return -1.0;
        if (free > 0.0) level = left > 0.0 ? free / left : INF;
        Size now = 0;
        for (Size p = 0; p < count; ++p)
            if (pace_[p] * level > slack_[p] + allowance_[p]) ++now;
        if (now == clamped) return level;
        clamped = now;
    }
}

UserWorth worth_at(const MigrationView& view, Size user, Size server, double level) {
    const double pace = view.pace(user, server);
    const double late = (pace > 0.0 ? pace * level : 0.0) - view.slack(user, server);
    if (view.hard && late > 0.0) return {view.beta, 0.0};
    const double worth = view.beta * exp(-late);
    if (late > 0.0) return {worth - view.penalty * late, (worth + view.penalty) * pace};
    return {worth, worth * pace};
}

ServerWeight ServerValue::weigh(Size server, std::span<const std::int32_t> members, std::span<UserWorth> own) const {
    ServerWeight weight;
    weight.first_turn = INF;
    for (const std::int32_t user : members) weight.level += view_.load(static_cast<Size>(user), server);
    for (const std::int32_t user : members) {
        const auto i = static_cast<Size>(user);
        own[i] = worth_at(view_, i, server, weight.level);
        weight.pressure += own[i].fall;
        const double pace = view_.pace(i, server);
        weight.steepest = std::max(weight.steepest, pace);
        if (view_.hard && pace > 0.0) weight.first_turn = std::min(weight.first_turn, view_.slack(i, server) / pace);
    }
    return weight;
}

void ServerValue::set_values(MigrationState& state) {
    for (Size k = 0; k < view_.servers(); ++k) state.value[k] = (*this)(k, state.members[k]);
}

}  // namespace dtopt
