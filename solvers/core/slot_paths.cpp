#include "solvers/core/slot_paths.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "dtopt/core/elementary.hpp"
#include "dtopt/core/tolerances.hpp"

namespace dtopt {

namespace {

// The part of `SlotView::room` that is the evaluator's tolerance, and half of it, which floors are computed with.
constexpr double TOLERATED = 1.0 / 1.1, HALF_TOLERATED = 0.5 / 1.1;
// CPU parts may sum to this much, as the evaluator has it.
constexpr double FULL_PARTS = 1.0 + TOLERANCE;
// A move that is forbidden takes this long, s.
constexpr double FORBIDDEN_S = 1e6;
// Paths that gain less than this part of the whole are left alone: it may be rounding.
constexpr double LEAST_GAIN = 1e-13;
constexpr double UNKNOWN = std::numeric_limits<double>::quiet_NaN();

// Return what a user is worth by its lateness (negative where early) where shares do not depend on it.
double own_value(const SlotView& view, Size row, double late, double breach) {
    const double worth = view.beta * exp(-late);
    if (!view.hard) return worth - view.penalty * std::max(late, 0.0);
    return late > TOLERATED * view.room[row] ? worth - breach * (1.0 + std::min(late, 1.0)) : worth;
}

// A level under water filling, and by how much floors exceed the CPU where they do.
struct Filled {
    double level, excess;
};

// Floors that bind are set aside, and the others share the rest.
Filled fill_water(const SlotView& view, Size k, std::span<const SlotMember> members, double load) {
    const auto slack_of = [&](const SlotMember& m) {
        return view.slack(m.row, m.pos) - m.move + HALF_TOLERATED * view.room[m.row];
    };
    double level = load;
    for (std::int64_t clamped = 0;;) {
        double left = 1.0, free = 0.0;
        for (const SlotMember& m : members) {
            const double growth = view.growth_of(m.row, k), size = view.size_of(m.row, k), slack = slack_of(m);
            if (clamped > 0 && growth * level > slack)
                left -= slack > 0.0 ? size * growth / slack : 10.0;
            else
                free += size;
        }
        if (left < 0.0) return {load, -left};
        if (free > 0.0) level = left > 0.0 ? free / left : std::numeric_limits<double>::infinity();
        std::int64_t now = 0;
        for (const SlotMember& m : members) now += view.growth_of(m.row, k) * level > slack_of(m);
        if (now == clamped) return {level, 0.0};
        clamped = now;
    }
}

}  // namespace

double breach_cost(const SlotView& view) {
    double best = 0.0;
    for (const double slack : view.slack.values())
        if (std::isfinite(slack)) best = std::max(best, slack);
    return 1e3 * (view.beta * exp(best) + view.penalty);
}

double members_value(const SlotView& view, Size k, std::span<const SlotMember> members, double breach) {
    if (members.empty()) return 0.0;
    const bool is_fixed = view.sharing == Sharing::FIXED;
    double broken = std::max(0.0, static_cast<double>(members.size()) - view.places[k]), load = 0.0;
    for (const SlotMember& m : members) load += view.load_of(m.row, m.pos);
    if (is_fixed && load > FULL_PARTS) broken += load - 1.0;
    double level = is_fixed ? 1.0 : load, total = 0.0;
    bool fits = true;
    if (view.clamps()) {
        const Filled filled = fill_water(view, k, members, load);
        level = filled.level;
        fits = filled.excess == 0.0;
        broken += filled.excess;
    }
    for (const SlotMember& m : members) {
        const double growth = view.growth_of(m.row, k);
        double late = m.move - view.slack(m.row, m.pos);
        if (growth > 0.0) late += growth * level;
        const bool is_late = view.hard && late > TOLERATED * view.room[m.row];
        // A floor that binds keeps the deadline, unless the latency does not depend on the share.
        const bool is_kept = view.clamps() && fits;
        if (is_late && (!is_kept || growth == 0.0)) broken += std::min(late, 1.0);
        if (view.clamps() && (fits || !is_late)) late = std::min(late, 0.0);
        total += view.beta * exp(-late) - view.penalty * std::max(late, 0.0);
    }
    return broken > 0.0 ? total - breach * (1.0 + broken) : total;
}

SlotPaths::SlotPaths(std::shared_ptr<const SlotView> view, std::uint64_t seed)
    : view_(std::move(view)), random_(seed), breach_(breach_cost(*view_)), rows_(view_->cells()) {
    Size longest = 0;
    for (Size source = view_->rows(); source < view_->all_rows(); ++source) {
        std::vector<Size> stay;
        for (std::int64_t row = view_->next[source]; row >= 0; row = view_->next[static_cast<Size>(row)])
            stay.push_back(static_cast<Size>(row));
        for (const Size row : stay)
            if (view_->real_width[row] < 1) throw std::invalid_argument("each row must have a candidate");
        longest = std::max(longest, stay.size());
        if (!stay.empty()) stays_.push_back(std::move(stay));
    }
    table_ = Matrix<double>(longest, view_->positions());
    came_ = Matrix<std::int64_t>(longest, view_->positions());
    found_.resize(longest);
}

Integers SlotPaths::random_choice() {
    Integers choice(view_->rows());
    for (Size row = 0; row < choice.size(); ++row)
        choice[row] = random_.below(std::max<std::int64_t>(view_->real_width[row], 1));
    return choice;
}

double SlotPaths::value(std::span<const std::int64_t> choice) { return fill(choice); }

// Take a choice as the present one, and return what it is worth.
double SlotPaths::fill(std::span<const std::int64_t> choice) {
    choice_.assign(choice.begin(), choice.end());
    for (auto& rows : rows_) rows.clear();
    for (Size row = 0; row < choice_.size(); ++row)
        rows_[static_cast<Size>(view_->cell(row, static_cast<Size>(choice_[row])))].push_back(row);
    value_.assign(view_->cells(), UNKNOWN);
    double total = 0.0;
    for (Size k = 0; k < rows_.size(); ++k) total += cell_value(k);
    return total;
}

double SlotPaths::move_of(Size row) const {
    const auto prior = static_cast<Size>(view_->prior[row]);
    const Size from = prior < choice_.size() ? static_cast<Size>(choice_[prior]) : 0;
    return std::min(view_->moves(row, static_cast<Size>(choice_[row]))[from], FORBIDDEN_S);
}

double SlotPaths::cell_value(Size k) {
    if (value_[k] == value_[k]) return value_[k];
    members_.clear();
    for (const Size row : rows_[k]) members_.push_back({row, static_cast<Size>(choice_[row]), move_of(row)});
    return value_[k] = members_value(*view_, k, members_, breach_);
}

double SlotPaths::best_path(std::span<const Size> stay) {
    const SlotView& view = *view_;
    // Else moving concerns only the user itself: its company is worth the same from wherever it comes.
    const bool depends = view.clamps();
    double now = 0.0;
    for (Size s = 0; s < stay.size(); ++s) {
        const Size row = stay[s], mine = static_cast<Size>(choice_[row]), prior = static_cast<Size>(view.prior[row]);
        const Size from = s == 0 ? 0 : static_cast<Size>(choice_[prior]);
        for (Size p = 0; p < static_cast<Size>(view.real_width[row]); ++p) {
            const auto k = static_cast<Size>(view.cell(row, p));
            const auto moves = view.moves(row, p);
            double without = p == mine ? 0.0 : cell_value(k);
            members_.clear();
            for (const Size other : rows_[k])
                if (other != row) members_.push_back({other, static_cast<Size>(choice_[other]), move_of(other)});
            if (p == mine) without = members_value(view, k, members_, breach_);
            members_.push_back({row, p, 0.0});
            double here = 0.0, own = 0.0;
            if (!depends) {
                double level = 0.0;
                for (const SlotMember& m : members_)
                    level += view.sharing == Sharing::FIXED ? 0.0 : view.size_of(m.row, k);
                own = view.growth_of(row, k) * level - view.slack(row, p);
                here = members_value(view, k, members_, breach_) - without - own_value(view, row, own, breach_);
            }
            double best = -std::numeric_limits<double>::infinity();
            for (Size q = 0; q < static_cast<Size>(view.real_width[prior]); ++q) {
                const double time = std::min(moves[q], FORBIDDEN_S);
                double gain;
                if (depends) {
                    members_.back().move = time;
                    gain = members_value(view, k, members_, breach_) - without;
                } else {
                    gain = here + own_value(view, row, own + time, breach_);
                }
                if (p == mine && q == from) now += gain;
                if (s > 0) gain += table_(s - 1, q);
                if (gain > best) {
                    best = gain;
                    came_(s, p) = static_cast<std::int64_t>(q);
                }
            }
            table_(s, p) = best;
        }
    }
    const auto last = table_.row(stay.size() - 1).subspan(0, static_cast<Size>(view.real_width[stay.back()]));
    auto at = std::ranges::max_element(last) - last.begin();
    const double top = last[static_cast<Size>(at)];
    for (Size s = stay.size(); s-- > 0;) {
        found_[s] = at;
        at = came_(s, static_cast<Size>(at));
    }
    return top - now;
}

void SlotPaths::remove(Size k, Size row) {
    auto& rows = rows_[k];
    *std::ranges::find(rows, row) = rows.back();
    rows.pop_back();
}

void SlotPaths::take_path(std::span<const Size> stay) {
    bool has_moved = false;
    for (Size s = 0; s < stay.size(); ++s) {
        const Size row = stay[s];
        const auto before = static_cast<Size>(view_->cell(row, static_cast<Size>(choice_[row])));
        const bool moves = found_[s] != choice_[row];
        // Whoever comes from elsewhere is worth something else where it stays.
        if (moves || has_moved) value_[before] = UNKNOWN;
        if (moves) {
            remove(before, row);
            choice_[row] = found_[s];
            const auto after = static_cast<Size>(view_->cell(row, static_cast<Size>(choice_[row])));
            rows_[after].push_back(row);
            value_[after] = UNKNOWN;
        }
        has_moved = moves;
    }
}

Integers SlotPaths::improved(Integers choice, std::int64_t sweeps, Cancellation& cancellation) {
    const double least = LEAST_GAIN * std::max(1.0, std::abs(fill(choice)));
    std::vector<Size> order(stays_.size());
    std::iota(order.begin(), order.end(), Size{0});
    bool ended = cancellation.requested();
    for (std::int64_t sweep = 0; sweep < sweeps && !ended; ++sweep) {
        for (Size j = order.size(); j > 1; --j)
            std::swap(order[j - 1], order[static_cast<Size>(random_.below(static_cast<std::int64_t>(j)))]);
        double gained = 0.0;
        for (const Size one : order) {
            ended = cancellation.requested();
            if (ended) break;
            const double gain = best_path(stays_[one]);
            if (gain <= least) continue;
            gained += gain;
            take_path(stays_[one]);
        }
        if (gained <= least * static_cast<double>(order.size())) break;
    }
    return choice_;
}

}  // namespace dtopt
