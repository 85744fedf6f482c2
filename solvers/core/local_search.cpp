#include "solvers/core/local_search.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace dtopt {

namespace {

constexpr double INF = std::numeric_limits<double>::infinity();
// Users between two commits, so that the log stays short.
constexpr Size SLICE = 10'000;

}  // namespace

std::vector<std::int32_t> place_in_order(const PlacementView& view, std::span<const std::int32_t> order,
                                         std::span<const bool> closed) {
    const bool has_parts = view.data == PairData::FITTING || view.data == PairData::CLAMPED;
    const Size m = view.servers();
    Doubles load(m), used(m);
    Integers count(m), limit(view.capacity);
    for (Size k = 0; k < m && !closed.empty(); ++k)
        if (closed[k]) limit[k] = 0;
    std::vector<std::int32_t> slots(view.users());
    for (const std::int32_t i : order) {
        double best = INF;
        std::int32_t slot = 0;
        bool overloads = true;
        for (Size c = 0; c < view.width(); ++c) {
            const std::int32_t h = view.station(i, c);
            if (h < 0) break;
            std::int64_t places = limit[h];
            if (view.data == PairData::LIMITED)
                places = std::min(places, static_cast<std::int64_t>(view.more(i, c)));
            const bool full = count[h] + 1 > places || (has_parts && used[h] + view.more(i, c) > FULL);
            const double change = view.cost(i, c) +
                                  compute_cost(view.sharing, load[h] + view.size[i], count[h] + 1, view.cpu[h]) -
                                  compute_cost(view.sharing, load[h], count[h], view.cpu[h]);
            if (change < INF && ((overloads && !full) || (full == overloads && change < best))) {
                best = change;
                slot = static_cast<std::int32_t>(c);
                overloads = full;
            }
        }
        slots[i] = slot;
        const std::int32_t h = view.station(i, slot);
        load[h] += view.size[i];
        ++count[h];
        if (has_parts) used[h] += view.more(i, slot);
        if (view.data == PairData::LIMITED) limit[h] = std::min(limit[h], static_cast<std::int64_t>(view.more(i, slot)));
    }
    return slots;
}

LocalSearch::LocalSearch(const PlacementView& view, const LocalSearchParams& params, std::uint64_t seed)
    : params_(params),
      state_(view, params_),
      random_(seed),
      disturber_(state_, random_, params_, static_cast<std::int64_t>(view.users()) <= params.region_users),
      users_(static_cast<std::int64_t>(view.users())),
      servers_(static_cast<std::int64_t>(view.servers())),
      partners_(is_small() ? users_ : params_.partners),
      passes_(is_small() ? params_.small_passes : params_.passes) {}

void LocalSearch::start(std::span<const std::int32_t> slots) {
    state_.load(slots);
    scale_ = std::abs(state_.cost());
    for (auto& gains : gains_) gains.fill(params_.first_gain * few_servers() * scale_);
    best_cost_ = INF;
    commit();
}

void LocalSearch::start_placed(std::span<const bool> closed) {
    std::vector<std::int32_t> order(users_);
    std::iota(order.begin(), order.end(), 0);
    for (std::int64_t i = users_ - 1; i > 0; --i) std::swap(order[i], order[random_.below(i + 1)]);
    start(place_in_order(state_.view(), order, closed));
}

void LocalSearch::oscillate() {
    oscillates_ = true;
    state_.weigh(params_.first_weight * std::abs(state_.cost()) / static_cast<double>(servers_));
}

void LocalSearch::commit() {
    state_.forget();
    if (state_.is_feasible() && state_.cost() < best_cost_) best_cost_ = state_.cost();
}

// What gains are measured by: the cost of the incumbent, of the start while there is none.
double LocalSearch::worth() const { return std::abs(std::min(best_cost_, scale_)); }

// A place among many can gain only a small part of the whole.
double LocalSearch::few_servers() const {
    return std::min(1.0, static_cast<double>(params_.few_servers) / static_cast<double>(servers_));
}

std::int64_t LocalSearch::reach() const {
    if (is_small()) return servers_;
    return std::max<std::int64_t>(4, params_.region_users * state_.open_servers() / users_);
}

std::int64_t LocalSearch::wide_reach() const {
    return std::min(params_.wide_reach, params_.wide_users * state_.open_servers() / std::max<std::int64_t>(1, users_));
}

void LocalSearch::descend(Cancellation& cancellation) {
    std::vector<std::int32_t> users(users_);
    std::iota(users.begin(), users.end(), 0);
    const std::span<const std::int32_t> all(users);
    for (std::int64_t pass = 0; pass < params_.sweeps; ++pass) {
        std::int64_t moved = 0;
        for (Size first = 0; first < all.size(); first += SLICE) {
            moved += sweep(state_, all.subspan(first, std::min(SLICE, all.size() - first)), cancellation);
            commit();
            if (cancellation.requested()) return;
        }
        if (moved <= static_cast<std::int64_t>(params_.settled * static_cast<double>(users_))) return;
    }
}

void LocalSearch::polish(Cancellation& cancellation) {
    std::vector<std::int32_t> users(users_);
    std::iota(users.begin(), users.end(), 0);
    const std::span<const std::int32_t> all(users);
    for (std::int64_t pass = 0; pass < passes_; ++pass) {
        std::int64_t moved = 0;
        for (Size first = 0; first < all.size(); first += SLICE) {
            const auto some = all.subspan(first, std::min(SLICE, all.size() - first));
            moved += sweep(state_, some, cancellation);
            moved += exchange(state_, some, partners_, false, random_, cancellation);
            commit();
            if (cancellation.requested()) return;
        }
        if (moved <= static_cast<std::int64_t>(params_.settled * static_cast<double>(users_))) return;
    }
}

void LocalSearch::close_servers(Cancellation& cancellation) {
    Doubles change(servers_, -INF), gain(servers_);
    std::vector<std::int32_t> order(servers_);
    const auto close = [&](std::int32_t server, bool keep) {
        return iterate(Disturbance{Disturbance::CLOSE, server}, reach(), Stage::SHIFTS, keep, cancellation);
    };
    while (true) {
        std::fill(gain.begin(), gain.end(), INF);
        for (std::int32_t k = 0; k < servers_; ++k) {
            if (state_.server(k).count() == 0 || !(change[k] < 0.0)) continue;
            gain[k] = close(k, false);
            if (cancellation.requested()) return;
        }
        for (Size k = 0; k < gain.size(); ++k)
            if (gain[k] < INF) change[k] = gain[k];
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return gain[a] < gain[b]; });
        bool closed = false;
        for (const std::int32_t k : order) {
            if (!(gain[k] < 0.0)) break;
            closed |= close(k, true) < 0.0;
            if (cancellation.requested()) return;
        }
        if (!closed) return;
    }
}

void LocalSearch::advance(std::int64_t iterations, Cancellation& cancellation) {
    threshold_ = 0.0;
    if (is_small()) {
        const bool fits = state_.view().data == PairData::FITTING;
        threshold_ = (fits ? params_.threshold_fitting : params_.threshold) * few_servers() /
                     static_cast<double>(servers_) * worth();
    }
    const std::int64_t around = reach();
    for (std::int64_t iteration = 0; iteration < iterations && !cancellation.requested(); ++iteration)
        iterate(std::nullopt, around, Stage::SWAPS, true, cancellation);
}

void LocalSearch::advance_widely(Cancellation& cancellation) {
    const double scale = worth();
    for (auto& gains : gains_) gains = {scale, params_.swap_gain * scale / static_cast<double>(servers_)};
    threshold_ = 0.0;
    iterate(std::nullopt, wide_reach(), Stage::SWAPS, true, cancellation);
}

double LocalSearch::iterate(const std::optional<Disturbance>& given, std::int64_t reach, Stage last, bool keep,
                            Cancellation& cancellation) {
    ++iterations_;
    const Disturbance disturbance = given ? *given : disturber_.choose();
    if (disturbance.server < 0) return INF;
    PlacementState::Mark mark = state_.mark();
    const auto total = [&] { return state_.cost() + state_.excess(); };
    const auto change_so_far = [&] { return total() - mark.cost - mark.excess; };
    double change = INF;
    bool went = disturber_.apply(disturbance, reach), good = false;
    if (went && !given && disturbance.kind != Disturbance::KICK && random_.below(2) == 0) {
        const auto near = state_.view().near.row(disturbance.server);
        const std::int32_t second =
            near[random_.below(std::min(params_.nearest, static_cast<std::int64_t>(near.size())))];
        if (second >= 0) went = disturber_.again(second, reach);
    }
    if (went) {
        const auto region = disturber_.region();
        settle(state_, region, Stage::SWEEP, passes_, partners_, random_, cancellation);
        change = change_so_far();
        // The more expensive moves are for what they may well turn into a gain.
        for (Stage stage : {Stage::SHIFTS, Stage::SWAPS}) {
            if (stage > last) break;
            double& gain = gains_[disturbance.kind][static_cast<Size>(stage) - 1];
            if (!(change < gain)) continue;
            settle(state_, region, stage, passes_, partners_, random_, cancellation);
            const double before = change;
            change = change_so_far();
            const double gained = before - change;
            gain = std::max(gained, gain + params_.smoothing * (gained - gain));
        }
        const double accepted = best_cost_ + threshold_, least = state_.least_gain();
        good = change < -least || (total() < accepted && accepted < INF);
        const bool better = good && state_.is_feasible() && state_.cost() < best_cost_ - least;
        if (keep && good && !better && best_cost_ < INF &&
            static_cast<std::int64_t>(state_.logged()) > users_ / 2 + params_.drift) {
            // Too far from the incumbent, which is where the log begins: back to it.
            mark = {0, best_cost_, 0.0};
            good = false;
        }
        if (keep && good) {
            if (better) {
                best_cost_ = state_.cost();
                improved_at_ = iterations_;
            }
            if (better || best_cost_ == INF) {
                state_.forget();
                if (state_.moves_since_sums() > 10 * users_ + params_.resum_moves) state_.resum();
            }
        }
    }
    if (!(keep && good)) state_.undo(mark);
    if (keep && oscillates_) state_.reweigh(params_.ease, params_.press);
    return change;
}

}  // namespace dtopt
