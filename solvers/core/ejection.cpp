#include "solvers/core/ejection.hpp"

#include <algorithm>
#include <cmath>

namespace dtopt {

namespace {

constexpr double INFINITE = std::numeric_limits<double>::infinity();

}  // namespace

EjectionSearch::EjectionSearch(const PlacementView& view, std::span<const double> share_price,
                               std::span<const double> place_price, std::span<const char> usable,
                               std::optional<std::span<const std::int64_t>> start, std::uint64_t seed,
                               const EjectionParams& params)
    : params_(params),
      state_(view, share_price, place_price, usable),
      random_(seed),
      entries_(view.servers()),
      best_(state_.association),
      best_cost_(INFINITE) {
    const Size n = view.users(), m = view.servers();
    double sum = 0.0, opening = 0.0;
    Size pairs = 0;
    std::vector<char> is_option(m, 0);
    for (Size i = 0; i < n; ++i)
        for (const Option& option : state_.options(i)) {
            sum += std::abs(option.cost);
            ++pairs;
            is_option[static_cast<Size>(option.server)] = 1;
        }
    const double typical = std::max(sum / static_cast<double>(std::max<Size>(pairs, 1)), 1e-300);
    for (Size k = 0; k < m; ++k) {
        WeighedServer& server = state_.servers[k];
        server.share_weight = std::max(server.share_price, params.least_weight * typical);
        server.place_weight = std::max(server.place_price, params.least_weight * typical);
        if (!is_option[k]) continue;
        usable_.push_back(k);
        opening = std::max(opening, server.opening);
    }
    state_.open_weight = typical + opening;
    least_ = params.least_gain * typical;
    varies_ = opening > 0.0 || state_.max_open < static_cast<std::int64_t>(m);
    if (!start) return;
    bool whole = true;
    for (Size i = 0; i < n; ++i) {
        const auto k = (*start)[i];
        if (k >= 0 && state_.pair(static_cast<Size>(k), i).cost < INFINITE)
            state_.association[i] = static_cast<std::int32_t>(k);
        else
            whole = false;
    }
    if (whole) offer();
}

std::int64_t EjectionSearch::advance(std::int64_t users, Cancellation& cancellation) {
    const Size n = state_.users();
    if (n == 0) return 0;
    std::int64_t done = 0;
    for (; done < users && !cancellation.requested(); ++done) {
        if (!under_way_) begin();
        const Size i = user_;
        user_ = i + 1 < n ? i + 1 : 0;
        stale_ = improve_user(i) || improve_chain(i) ? 0 : stale_ + 1;
        if (stale_ >= n) end();
    }
    return done;
}

// --- neighbourhoods --------------------------------------------------------------------------------------------------

// Make the association at hand the incumbent where it is feasible and better.
void EjectionSearch::offer() {
    const double cost = state_.exact_cost();
    if (!(cost < INFINITE)) return;
    met_ = true;
    if (cost < best_cost_) {
        best_cost_ = cost;
        best_ = state_.association;
    }
}

// Write what it costs to join each server; return the most slack of any.
EjectionSearch::Slack EjectionSearch::list_entries() {
    const double opening = state_.n_open >= state_.max_open ? state_.open_weight : 0.0;
    Slack slack;
    for (Size k = 0; k < entries_.size(); ++k) {
        const WeighedServer& s = state_.servers[k];
        const double standing = s.standing();
        // With one user more and no part of the CPU more: the weighed excess of the CPU is counted in `cost`.
        entries_[k] = {s.standing(0.0, s.count + 1) - standing + (s.count == 0 ? opening : 0.0), s.share_weight,
                       FULL - s.used};
        slack.add(s.slack(s.used, s.count), k);
    }
    return slack;
}

// Return what a server costs more where a user leaves a part of its CPU and another joins.
EjectionSearch::Entry EjectionSearch::exchange(const WeighedServer& server, double leaving) {
    return {server.standing(0.0, server.count) - server.standing(), server.share_weight, FULL - server.used + leaving};
}

// Offer the association at hand with one or two users moved, which leaves no server overloaded.
void EjectionSearch::offer_moved(Size i, const Move& move) {
    if (met_ && !(state_.penalised + move.change < best_cost_)) return;
    const std::int32_t home = state_.association[i];
    state_.association[i] = move.server;
    if (move.other < 0) {
        offer();
    } else {
        std::int32_t& other = state_.association[static_cast<Size>(move.other)];
        const std::int32_t other_home = other;
        other = move.other_server;
        offer();
        other = other_home;
    }
    state_.association[i] = home;
}

// Make the best shift, swap or double shift that begins with a user; return whether one helps.
//
// What is feasible and better than the incumbent is kept on the way, even where the penalised cost gets worse.
bool EjectionSearch::improve_user(Size i) {
    const PenalisedAssociation& s = state_;
    const Size k = server_of(i);
    const WeighedServer& home = s.servers[k];
    const auto [cost_k, part_k] = s.pair(k, i);
    const Slack slack = list_entries();
    const double slack_k = home.slack(home.used - part_k, home.count - 1);
    double leaving = home.standing_without(part_k) - home.standing() - cost_k;
    if (home.count == 1 && s.n_open > s.max_open) leaving -= s.open_weight;
    const int left_lacks = home.lacks(home.used - part_k, home.count - 1);
    const std::int64_t lacking = s.n_lacking - home.lacks();
    Move best{-least_, -1, -1, -1};
    // A feasible association that beats the incumbent changes the penalised cost by less than this.
    const double limit =
        best_cost_ < INFINITE ? std::max(-least_, best_cost_ - s.penalised - least_) : -least_;
    const auto consider = [&](const Move& move, std::int64_t lacks) {
        if (move.change < best.change) best = move;
        if (lacks == 0) offer_moved(i, move);
    };
    const Entry at_home = exchange(home, part_k);
    for (const Option& option : s.options(i)) {
        const auto h = static_cast<Size>(option.server);
        if (h == k) continue;
        const WeighedServer& server = s.servers[h];
        const std::int64_t elsewhere = lacking - server.lacks();
        double change = leaving + option.cost + entries_[h].cost(option.part);
        if (change < limit)
            consider({change, option.server, -1, -1},
                     elsewhere + left_lacks + server.lacks(server.used + option.part, server.count + 1));
        // Somebody leaves that server in exchange: for the user's own server, or for a third one.
        const Entry there = exchange(server, -option.part);
        const double most = std::max(slack_k, slack.elsewhere(h));
        // Such a move changes at least this, less the regret of who leaves.
        const double least = leaving + option.cost + there.base + server.place_price +
                             server.share_price * std::max(0.0, -there.room) - most;
        for (const Member& member : s.members[h]) {
            if (least - member.regret >= limit) continue;
            const double taken = option.cost - member.cost + there.cost(-member.part);
            const auto j = static_cast<Size>(member.user);
            const auto lacks_h = [&] { return server.lacks(server.used - member.part + option.part, server.count); };
            const auto& back = s.pair(k, j);
            change = taken - cost_k + back.cost;
            if (change + at_home.base < limit) {
                change += at_home.cost(back.part);
                if (change < limit)
                    consider({change, option.server, member.user, static_cast<std::int32_t>(k)},
                             elsewhere + home.lacks(home.used - part_k + back.part, home.count) + lacks_h());
            }
            const double start = leaving + taken, bound = limit + most - start;
            for (const Option& third : s.options(j)) {
                if (third.priced >= bound) break;
                const auto g = static_cast<Size>(third.server);
                change = start + third.cost + entries_[g].cost(third.part);
                if (change < limit && g != h && g != k) {
                    const WeighedServer& to = s.servers[g];
                    consider({change, option.server, member.user, third.server},
                             elsewhere - to.lacks() + left_lacks + lacks_h() +
                                 to.lacks(to.used + third.part, to.count + 1));
                }
            }
        }
    }
    if (best.server < 0) return false;
    state_.shift(i, static_cast<Size>(best.server));
    if (best.other >= 0) state_.shift(static_cast<Size>(best.other), static_cast<Size>(best.other_server));
    return true;
}

// Find the best way to send a user on from a server that changes the penalised cost by less than `enough`, and the user
// to go on with where there is none: the next one sent on makes room again, at about the price of what this one takes.
EjectionSearch::Sent EjectionSearch::send_on(Size h, std::span<const std::int32_t> moved, double enough) {
    const WeighedServer& from = state_.servers[h];
    const double most = list_entries().elsewhere(h);
    const double base = from.standing(0.0, from.count - 1) - from.standing(), excess = from.used - FULL;
    Sent sent{enough, -1, -1, -1, -1};
    double going_on = INFINITE;
    for (const Member& member : state_.members[h]) {
        const double left = base + from.share_weight * std::max(0.0, excess - member.part);
        const double least = left + from.share_price * member.part + from.place_price - member.regret;
        if (least >= going_on && least >= sent.change + most) continue;
        if (std::find(moved.begin(), moved.end(), member.user) != moved.end()) continue;
        const double leaving = left - member.cost;
        for (const Option& option : state_.options(static_cast<Size>(member.user))) {
            if (static_cast<Size>(option.server) == h) continue;
            if (leaving + option.priced < going_on) {
                going_on = leaving + option.priced;
                sent.next_user = member.user;
                sent.next_server = option.server;
            } else if (leaving + option.priced >= sent.change + most) {
                break;
            }
            const double change =
                leaving + option.cost + entries_[static_cast<Size>(option.server)].cost(option.part);
            if (change < sent.change) {
                sent.change = change;
                sent.user = member.user;
                sent.server = option.server;
            }
        }
    }
    return sent;
}

// Follow an ejection chain from a user: each server that takes a user in sends one on; return whether it helps.
bool EjectionSearch::improve_chain(Size i) {
    const auto options = state_.options(i);
    Size h = static_cast<Size>(options[draw(std::min<Size>(3, options.size()))].server);
    if (h == server_of(i)) h = static_cast<Size>(options[0].server);
    if (h == server_of(i)) return false;
    const double before = state_.penalised;
    const auto depth = static_cast<Size>(params_.depth);
    Shorts users{static_cast<std::int32_t>(i)}, homes{state_.association[i]};
    state_.shift(i, h);
    while (true) {
        const Sent sent = send_on(h, users, before - least_ - state_.penalised);
        if (sent.user >= 0) {
            state_.shift(static_cast<Size>(sent.user), static_cast<Size>(sent.server));
            if (state_.n_lacking == 0 && state_.cost < best_cost_) offer();
            return true;
        }
        if (sent.next_user < 0 || users.size() >= depth) break;
        users.push_back(sent.next_user);
        homes.push_back(static_cast<std::int32_t>(h));
        h = static_cast<Size>(sent.next_server);
        state_.shift(static_cast<Size>(sent.next_user), h);
    }
    for (Size e = users.size(); e-- > 0;) state_.shift(static_cast<Size>(users[e]), static_cast<Size>(homes[e]));
    state_.penalised = before;
    return false;
}

// --- local searches --------------------------------------------------------------------------------------------------

// Choose where the next local search starts; the first starts from the association at hand.
void EjectionSearch::begin() {
    state_.reload();
    if (rounds_ > 0) {
        if (barren_ > params_.patience) keep_only_best();
        if (static_cast<std::int64_t>(pool_.size()) < params_.pool)
            restart();
        else
            relink();
    }
    vary_servers();
    state_.reload();
    stale_ = 0;
    met_ = false;
    under_way_ = true;
    user_ = draw(state_.users());
}

void EjectionSearch::end() {
    state_.reload();
    if (state_.n_lacking == 0) offer();
    keep();
    reweigh();
    ++rounds_;
    under_way_ = false;
}

// Send each user to one of the servers where its priced cost is least, mostly the first.
void EjectionSearch::restart() {
    for (Size i = 0; i < state_.users(); ++i) {
        const auto options = state_.options(i);
        Size c = 0;
        while (c + 1 < options.size() && draw(4) == 0) ++c;
        state_.association[i] = options[c].server;
    }
    state_.reload();
}

// Send a few users of the association at hand elsewhere.
void EjectionSearch::disturb() {
    const Size n = state_.users(), times = std::min(n, 4 + draw(8));
    for (Size x = 0; x < times; ++x) {
        const Size i = draw(n);
        const auto options = state_.options(i);
        const auto h = static_cast<Size>(options[draw(std::min<Size>(4, options.size()))].server);
        if (h != server_of(i)) state_.shift(i, h);
    }
}

// Go from one elite association some way towards another, always by the best shift; end at the best point.
void EjectionSearch::relink() {
    const Size a = draw(pool_.size());
    Size b = draw(pool_.size() - 1);
    if (b >= a) ++b;
    state_.association = pool_[a].association;
    state_.reload();
    const Shorts& goal = pool_[b].association;
    Shorts left;
    for (Size i = 0; i < state_.users(); ++i)
        if (state_.association[i] != goal[i]) left.push_back(static_cast<std::int32_t>(i));
    const Size distance = left.size();
    if (distance < 6) {
        disturb();
        return;
    }
    const auto way = static_cast<Size>(static_cast<double>(distance) * params_.way);
    const Size steps = std::min(distance - 2, 4 + draw(std::max<Size>(1, way)));
    Shorts order, homes;
    double best = INFINITE;
    Size best_at = 0;
    for (Size step = 0; step < steps; ++step) {
        const Size at = next_step(left, goal);
        const auto i = static_cast<Size>(left[at]);
        left[at] = left.back();
        left.pop_back();
        order.push_back(static_cast<std::int32_t>(i));
        homes.push_back(state_.association[i]);
        state_.shift(i, static_cast<Size>(goal[i]));
        // Nearer to the start, the local search would fall back to it.
        if (step >= 3 && state_.penalised < best) {
            best = state_.penalised;
            best_at = step + 1;
        }
    }
    for (Size step = steps; step-- > best_at;)
        state_.shift(static_cast<Size>(order[step]), static_cast<Size>(homes[step]));
}

// Return which of the users left to move towards another association does so at least penalised cost.
Size EjectionSearch::next_step(std::span<const std::int32_t> left, const Shorts& goal) {
    const auto sample = static_cast<Size>(params_.sample);
    double best = INFINITE;
    Size at = 0;
    // On long paths a sample is enough, and bounds the work.
    for (Size t = 0; t < std::min(left.size(), sample); ++t) {
        const Size x = left.size() <= sample ? t : draw(left.size());
        const auto i = static_cast<Size>(left[x]);
        const Size k = server_of(i), h = static_cast<Size>(goal[i]);
        const WeighedServer &from = state_.servers[k], &to = state_.servers[h];
        const auto &here = state_.pair(k, i), &there = state_.pair(h, i);
        const double change = there.cost - here.cost + from.standing_without(here.part) - from.standing() +
                              to.standing_with(there.part) - to.standing();
        if (change < best) {
            best = change;
            at = x;
        }
    }
    return at;
}

// Close servers beyond the limit; where servers cost or are limited, at times close one and open another too.
void EjectionSearch::vary_servers() {
    const Size n = state_.users();
    for (Size x = 0; x < usable_.size() && state_.n_open > state_.max_open; ++x) close_one();
    if (!varies_ || rounds_ == 0) return;
    const Size kind = draw(4), opened = usable_[draw(usable_.size())];
    if (kind <= 1 && state_.n_open > 1) close_one();
    const WeighedServer& server = state_.servers[opened];
    if (kind < 1 || kind > 2 || server.count > 0 || state_.n_open >= state_.max_open) return;
    const Size first = draw(n);
    for (Size x = 0; x < n; ++x) {
        const Size i = (first + x) % n;
        if (state_.priced(opened, i) < state_.priced(server_of(i), i) && server.count < server.capacity &&
            server.used + state_.pair(opened, i).part <= FULL)
            state_.shift(i, opened);
    }
}

// Close the one with fewer users of two open servers drawn at random: its users go to other open ones.
void EjectionSearch::close_one() {
    const auto drawn = [&] {
        Size e = draw(usable_.size());
        while (state_.servers[usable_[e]].count == 0) e = e + 1 < usable_.size() ? e + 1 : 0;
        return usable_[e];
    };
    const Size first = drawn(), second = drawn();
    const Size k = state_.servers[second].count < state_.servers[first].count ? second : first;
    for (auto q = static_cast<Size>(state_.servers[k].count); q-- > 0;) {
        const auto i = static_cast<Size>(state_.members[k][q].user);
        const std::int32_t h = best_target(i);
        if (h >= 0) state_.shift(i, static_cast<Size>(h));
    }
}

// Return the open server, not the user's own, that the user shifts to at least penalised cost; −1 for none.
std::int32_t EjectionSearch::best_target(Size i) const {
    double best = INFINITE;
    std::int32_t target = -1;
    for (const Option& option : state_.options(i)) {
        const WeighedServer& to = state_.servers[static_cast<Size>(option.server)];
        if (option.server == state_.association[i] || to.count == 0) continue;
        const double change = option.cost + to.standing_with(option.part) - to.standing();
        if (change < best) {
            best = change;
            target = option.server;
        }
    }
    return target;
}

// --- the pool, and the weights ---------------------------------------------------------------------------------------

// Return the cost of an elite association under the present weights.
double EjectionSearch::value_of(const Elite& elite) const {
    double value = elite.cost + state_.open_weight * static_cast<double>(
                                                         std::max<std::int64_t>(0, elite.n_open - state_.max_open));
    for (Size k = 0; k < state_.servers.size(); ++k)
        value += state_.servers[k].share_weight * elite.lacking_share[k] +
                 state_.servers[k].place_weight * static_cast<double>(elite.lacking_places[k]);
    return value;
}

// Put the association at hand into the pool where it is new and better than the worst there.
void EjectionSearch::keep() {
    Size worst = 0;
    double worst_value = -INFINITE;
    for (Size e = 0; e < pool_.size(); ++e) {
        const double value = value_of(pool_[e]);
        if (value > worst_value) {
            worst = e;
            worst_value = value;
        }
        if (pool_[e].association == state_.association) {
            ++barren_;
            return;
        }
    }
    if (static_cast<std::int64_t>(pool_.size()) < params_.pool) {
        worst = pool_.size();
        pool_.emplace_back();
    } else if (state_.penalised >= worst_value) {
        ++barren_;
        return;
    }
    barren_ = 0;
    Elite& elite = pool_[worst];
    elite = {state_.association, state_.cost, {}, {}, state_.n_open};
    for (const WeighedServer& server : state_.servers) {
        elite.lacking_share.push_back(std::max(0.0, server.used - FULL));
        elite.lacking_places.push_back(std::max<std::int64_t>(0, server.count - server.capacity));
    }
}

void EjectionSearch::keep_only_best() {
    const auto best = std::min_element(pool_.begin(), pool_.end(), [&](const Elite& a, const Elite& b) {
        return value_of(a) < value_of(b);
    });
    pool_ = {*best};
    barren_ = 0;
}

// Lower the weights where the local search met feasible associations, otherwise raise those of overloaded servers.
void EjectionSearch::reweigh() {
    const double press = best_cost_ < INFINITE ? params_.press : params_.press_first;
    for (WeighedServer& server : state_.servers) {
        if (met_ || server.used > FULL) server.share_weight *= met_ ? params_.ease : press;
        if (met_ || server.count > server.capacity) server.place_weight *= met_ ? params_.ease : press;
    }
    if (met_ || state_.n_open > state_.max_open) state_.open_weight *= met_ ? params_.ease : press;
}

}  // namespace dtopt
