#include "solvers/core/disturbances.hpp"

#include <cmath>
#include <limits>

#include "solvers/core/moves.hpp"

namespace dtopt {

Disturber::Disturber(PlacementState& state, Random& random, const LocalSearchParams& params, bool kicks)
    : state_(state),
      random_(random),
      params_(params),
      kicks_(kicks ? params.kicks : 0),
      focus_(state.view().servers()) {
    for (Size k = 0; k < focus_.size(); ++k) focus_[k] = static_cast<std::int32_t>(k);
}

Disturbance Disturber::choose() {
    const std::int64_t draw = random_.below(64);
    const std::int32_t server = focus_[random_.below(static_cast<std::int64_t>(focus_.size()))];
    if (draw < kicks_) return {Disturbance::KICK, is_open(server) ? server : neighbour(server, true)};
    if (draw < kicks_ + params_.exchanges) return exchange_near(server);
    return open_or_close(server);
}

bool Disturber::again(std::int32_t near, std::int64_t reach) {
    const Disturbance second = random_.below(2) == 0 ? exchange_near(near) : open_or_close(near);
    return second.server >= 0 && apply(second, reach);
}

Disturbance Disturber::open_or_close(std::int32_t server) const {
    if (is_open(server)) return {Disturbance::CLOSE, server};
    return {Disturbance::OPEN, state_.open_servers() < state_.view().max_open ? server : -1};
}

Disturbance Disturber::exchange_near(std::int32_t server) {
    const bool open = is_open(server);
    const std::int32_t other = neighbour(server, !open);
    if (other < 0) return {Disturbance::EXCHANGE};
    return {Disturbance::EXCHANGE, open ? server : other, open ? other : server};
}

// Return a random server near another that is open or not; −1 where no draw meets one.
std::int32_t Disturber::neighbour(std::int32_t server, bool open) {
    const auto near = state_.view().near.row(server);
    for (std::int64_t draw = 0; draw < params_.draws; ++draw) {
        const std::int32_t k = near[random_.below(static_cast<std::int64_t>(near.size()))];
        if (k >= 0 && is_open(k) == open) return k;
    }
    return -1;
}

bool Disturber::apply(const Disturbance& disturbance, std::int64_t reach) {
    const auto [kind, server, other] = disturbance;
    if (kind == Disturbance::KICK) return kick(server, reach);
    const std::int32_t opened = disturbance.opened();
    if (opened >= 0) state_.let_open(opened);
    bool went = true;
    if (kind != Disturbance::OPEN)
        went = state_.open_servers() + (kind == Disturbance::EXCHANGE) > 1 && evacuate(server);
    if (went) {
        gather(server, reach);
        if (opened >= 0) pull(opened);
    }
    state_.let_open(-1);
    return went;
}

bool Disturber::kick(std::int32_t server, std::int64_t reach) {
    gather(server, reach);
    const PlacementView& view = state_.view();
    const auto n = static_cast<std::int64_t>(region_.size());
    const std::int64_t kicked = std::min(n, params_.least_kicked + random_.below(params_.more_kicked + 1));
    for (std::int64_t trial = 0; trial < kicked; ++trial) {
        const std::int32_t i = region_[random_.below(n)];
        const auto c = static_cast<std::int32_t>(random_.below(static_cast<std::int64_t>(view.width())));
        const std::int32_t h = view.station(i, c);
        if (h >= 0 && h != state_.user(i).server && is_open(h) && !std::isinf(view.cost(i, c))) state_.shift(i, c);
    }
    return n > 0;
}

void Disturber::gather(std::int32_t center, std::int64_t reach) {
    region_.clear();
    std::int64_t found = 0;
    const auto add = [&](std::int32_t k) {
        const auto members = state_.members(k);
        region_.insert(region_.end(), members.begin(), members.end());
        found += !members.empty();
    };
    add(center);
    for (const std::int32_t k : state_.view().near.row(center)) {
        if (k < 0 || found > reach) break;
        add(k);
    }
}

// Send all users of a server to their next best ones; return whether they have any.
bool Disturber::evacuate(std::int32_t server) {
    while (is_open(server)) {
        const std::int32_t user = state_.members(server).back();
        const Shift shift = Shift::evaluate(state_, user, std::numeric_limits<double>::infinity());
        if (!shift) return false;
        shift.apply(state_);
    }
    return true;
}

// Shift the users of the region to a server where that helps, its opening left out.
void Disturber::pull(std::int32_t server) {
    const PlacementView& view = state_.view();
    const double enough = -state_.least_gain();
    for (const std::int32_t i : region_) {
        const std::int32_t slot = view.slot_of(i, server);
        if (slot < 0 || state_.user(i).server == server || std::isinf(view.cost(i, slot))) continue;
        if (!state_.has_overload()) {
            if (state_.leaving_bound(i) + state_.joining_bound(i, slot) >= enough) continue;
            if (view.data == PairData::NONE) {
                state_.shift(i, slot);
                continue;
            }
        }
        if (state_.leaving(i) + state_.joining(i, slot) < enough) state_.shift(i, slot);
    }
}

}  // namespace dtopt
