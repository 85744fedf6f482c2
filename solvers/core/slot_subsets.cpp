#include "solvers/core/slot_subsets.hpp"

#include <cmath>
#include <limits>

#include "dtopt/core/tolerances.hpp"
#include "solvers/core/slot_paths.hpp"

namespace dtopt {

namespace {

// Relative room for rounding in levels, and in what subsets are worth.
constexpr double LEVEL_ROOM = 1e-8, WORTH_ROOM = 1e-9;
constexpr double FULL_PARTS = 1.0 + TOLERANCE;
constexpr double NEVER = -std::numeric_limits<double>::infinity();

// What has been decided of a segment's first users.
struct Prefix {
    double lost[2] = {0.0, 0.0};  // at both ends, against the best option of each
    double taken = 0.0, number = 0.0;
};

// The enumeration of the subsets in one segment, depth first over its items. Option 0 of an item is to stay away, option
// q + 1 to come from position q.
class Enumeration {
  public:
    Enumeration(const SlotDual& dual, const SlotPrices& prices, std::int64_t limit, const SlotSubsetParams& params,
                SlotSubsets& found)
        : dual_(dual), view_(dual.view()), prices_(prices), limit_(static_cast<Size>(limit)), found_(found),
          most_edges_(static_cast<Size>(params.edges * (limit + 1))), most_steps_(params.steps * limit),
          breach_(breach_cost(view_)), options_(view_.positions() + 1) {}

    // Add all subsets in segment c that are worth more than `best` less `room`; return whether there was room for them.
    bool run(Size c, double best, double room, Cancellation& cancellation) {
        const SlotSegment& segment = dual_.segments()[c];
        const auto items = view_.items_of(segment.cell);
        const double least = best - room;
        double budget[2] = {NEVER, NEVER};
        for (Size e = 0; e < segment.ends(); ++e) budget[e] = fill_losses(c, e) - least;
        if (budget[0] < 0.0 && budget[1] < 0.0) return true;
        const double ceiling = view_.sharing == Sharing::FIXED ? FULL_PARTS : segment.high * (1.0 + LEVEL_ROOM);
        option_.assign(items.size() + 1, -1);
        prefix_.assign(items.size() + 1, {});
        Poll<1024> poll(cancellation);
        for (Size depth = 0;;) {
            if (++steps_ > most_steps_ || found_.cell.size() > limit_ ||
                found_.row.size() + items.size() > most_edges_ || poll())
                return false;
            if (depth == items.size()) {
                keep(c, least - WORTH_ROOM * std::abs(best));
                if (depth-- == 0) return true;
                continue;
            }
            const auto row = static_cast<Size>(items[depth].row);
            const std::int64_t o = ++option_[depth];
            if (o > view_.width[static_cast<Size>(view_.prior[row])]) {
                if (depth-- == 0) return true;
                continue;
            }
            Prefix next = prefix_[depth];
            bool fits = false;
            for (Size e = 0; e < segment.ends(); ++e) {
                next.lost[e] += lost_[e][depth * options_ + static_cast<Size>(o)];
                fits |= next.lost[e] <= budget[e];
            }
            if (!fits) continue;
            if (o > 0) {
                next.number += 1.0;
                next.taken += view_.load_of(items[depth]);
            }
            // Levels grow with each user, so that a prefix with too much of them is the end of it.
            if (next.number > view_.places[segment.cell] || next.taken > ceiling) continue;
            prefix_[++depth] = next;
            option_[depth] = -1;
        }
    }

  private:
    // Fill in what each option loses against the best one of its item at an end; return what the segment wins there.
    double fill_losses(Size c, Size e) {
        const SlotSegment& segment = dual_.segments()[c];
        const auto items = view_.items_of(segment.cell);
        lost_[e].assign(items.size() * options_, -NEVER);
        Doubles worth(view_.positions()), load(view_.positions());
        const double level = segment.level(e);
        double gain = prices_.load[c] * level + prices_.place[c] * view_.places[segment.cell];
        for (Size a = 0; a < items.size(); ++a) {
            const auto row = static_cast<Size>(items[a].row), prior = static_cast<Size>(view_.prior[row]);
            const std::span lost(lost_[e].data() + a * options_, options_);
            double top = 0.0;
            lost[0] = 0.0;
            if (view_.edges(items[a], segment, level, worth, load))
                for (Size q = 0; q < static_cast<Size>(view_.width[prior]); ++q) {
                    const double margin = worth[q] + prices_.node(row, items[a].pos) - prices_.serve[row] -
                                          prices_.node(prior, q) - prices_.load[c] * load[q] - prices_.place[c];
                    lost[q + 1] = -margin;
                    top = std::max(top, margin);
                }
            for (double& one : lost) one += top;
            gain += top;
        }
        return gain;
    }

    // Keep the present subset where it is worth more than so much.
    void keep(Size c, double least) {
        const Size k = dual_.segments()[c].cell;
        const auto items = view_.items_of(k);
        members_.clear();
        double priced = 0.0;
        for (Size a = 0; a < items.size(); ++a) {
            if (option_[a] <= 0) continue;
            const auto row = static_cast<Size>(items[a].row), pos = static_cast<Size>(items[a].pos);
            const auto q = static_cast<Size>(option_[a] - 1), prior = static_cast<Size>(view_.prior[row]);
            members_.push_back({row, pos, view_.moves(row, pos)[q]});
            priced += prices_.node(row, pos) - prices_.serve[row] - prices_.node(prior, q);
        }
        if (members_.empty()) return;
        const double worth = members_value(view_, k, members_, breach_);
        if (!(worth > -0.5 * breach_) || !(worth + priced > least)) return;
        found_.cell.push_back(static_cast<std::int64_t>(k));
        found_.worth.push_back(worth);
        for (Size a = 0; a < items.size(); ++a) {
            if (option_[a] <= 0) continue;
            found_.row.push_back(items[a].row);
            found_.source.push_back(option_[a] - 1);
            found_.position.push_back(items[a].pos);
        }
        found_.starts.push_back(static_cast<std::int64_t>(found_.row.size()));
    }

    const SlotDual& dual_;
    const SlotView& view_;
    const SlotPrices& prices_;
    Size limit_;
    SlotSubsets& found_;
    Size most_edges_;
    std::int64_t most_steps_, steps_ = 0;
    double breach_;
    Size options_;
    Doubles lost_[2];  // by item and option
    Integers option_;
    std::vector<Prefix> prefix_;
    std::vector<SlotMember> members_;
};

}  // namespace

SlotSubsets find_subsets(const SlotDual& dual, const SlotPrices& prices, double room, std::int64_t limit,
                         const SlotSubsetParams& params, Cancellation& cancellation) {
    SlotSubsets found;
    const Doubles best = dual.best_of_cell(dual.gains(prices));
    Enumeration enumeration(dual, prices, limit, params, found);
    for (Size c = 0; c < best.size() && found.is_complete; ++c)
        found.is_complete = enumeration.run(c, best[c], room, cancellation);
    return found;
}

}  // namespace dtopt
