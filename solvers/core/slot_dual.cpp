#include "solvers/core/slot_dual.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "dtopt/core/quasi_newton.hpp"
#include "dtopt/core/softmax.hpp"

namespace dtopt {

namespace {

constexpr double NEVER = -std::numeric_limits<double>::infinity();
// What rounding can take from a sum, as a part of the absolute values of what is summed.
constexpr double SUM_ROUNDING = 64.0 * std::numeric_limits<double>::epsilon();
// A cell takes an end of a segment in less than this part of all cases: not at all.
constexpr double NO_SHARE = 1e-15;
// Edges that lose up to this, in units, are all that can matter.
constexpr double ALL_EDGES = 1e4;

double sum_of(std::span<const double> values) { return lane_sum(0, values.size(), [&](Size j) { return values[j]; }); }

// The options of a segment's items at both its ends without the price of load, for the search for that price.
struct SegmentOptions {
    struct Option {
        double margin, load;
        std::int32_t item;
    };
    std::vector<Option> options[2];

    // What the segment wins at its better end, and the slope of that in the price of load.
    std::pair<double, double> won(const SlotSegment& segment, double price) const {
        double best = NEVER, slope = 0.0;
        for (Size e = 0; e < segment.ends(); ++e) {
            double gain = price * segment.level(e), taken = 0.0;
            const auto& all = options[e];
            for (Size n = 0; n < all.size();) {
                double top = 0.0, load = 0.0;
                const auto item = all[n].item;
                for (; n < all.size() && all[n].item == item; ++n) {
                    const double left = all[n].margin - price * all[n].load;
                    if (left > top) {
                        top = left;
                        load = all[n].load;
                    }
                }
                gain += top;
                taken += load;
            }
            if (gain > best) {
                best = gain;
                slope = segment.level(e) - taken;
            }
        }
        return {best, slope};
    }
};

// The edges of a cell that matter at a temperature, end by end and item by item.
struct ActiveEdges {
    struct Item {
        std::int32_t row, node;
        Size first;  // of its edges
    };
    std::vector<Item> items;
    Doubles top, stay, mass;  // of each item: the largest margin, the weight of staying away, and the sum of all weights
    Shorts source;
    Doubles load, weight;     // of each edge

    void clear() {
        items.clear();
        for (Doubles* one : {&top, &stay, &load, &weight}) one->clear();
        source.clear();
    }
    // Turn margins less the top into weights, and fill in the masses and their logarithms (as `stay`).
    void soften() {
        items.push_back({0, 0, source.size()});
        exp_each(weight);
        exp_each(stay);
        mass = stay;
        for (Size i = 0; i < mass.size(); ++i)
            for (Size a = items[i].first; a < items[i + 1].first; ++a) mass[i] += weight[a];
        stay = mass;
        log_each(stay);
    }
};

}  // namespace

SlotDual::SlotDual(std::shared_ptr<const SlotView> view, std::vector<SlotSegment> segments, double unit,
                   const SlotDualParams& params)
    : view_(std::move(view)), segments_(std::move(segments)), unit_(unit), params_(params) {
    for (Size c = 0; c < segments_.size(); ++c) {
        const SlotSegment& one = segments_[c];
        const bool fits = one.cell < view_->cells() && one.low <= one.high &&
                          (c == 0 || segments_[c - 1].cell <= one.cell);
        if (!fits) throw std::invalid_argument("segments must be in order of cells, with ends in order");
        if (c == 0 || segments_[c - 1].cell != one.cell) starts_.push_back(c);
    }
    starts_.push_back(segments_.size());
}

void SlotDual::require_prices(const SlotPrices& prices) const {
    if (prices.serve.size() != view_->rows() || prices.node.rows() != view_->all_rows() ||
        prices.node.columns() != view_->positions() || prices.load.size() != segments_.size() ||
        prices.place.size() != segments_.size())
        throw std::invalid_argument("the prices do not have the shapes of the dual");
}

// --- values ----------------------------------------------------------------------------------------------------------

template <class Level>
void SlotDual::fill_gains(const std::vector<SlotSegment>& pieces, const SlotPrices& prices, Level level, Size column,
                          SlotGains& gains) const {
    Doubles worth(view_->positions()), load(view_->positions());
    for (Size c = 0; c < pieces.size(); ++c) {
        const double r = level(pieces[c]), fixed = prices.load[c] * r + prices.place[c] * view_->places[pieces[c].cell];
        double gain = fixed, size = fixed;
        for (const SlotItem item : view_->items_of(pieces[c].cell)) {
            if (!view_->edges(item, pieces[c], r, worth, load)) continue;
            const auto row = static_cast<Size>(item.row), prior = static_cast<Size>(view_->prior[row]);
            const auto before = prices.node.row(prior);
            const double into = prices.node(row, item.pos), serve = prices.serve[row];
            double top = 0.0;
            Size from = before.size();
            for (Size q = 0; q < static_cast<Size>(view_->width[prior]); ++q) {
                const double margin = worth[q] + into - serve - before[q] - prices.load[c] * load[q] - prices.place[c];
                if (margin > top) {
                    top = margin;
                    from = q;
                }
            }
            if (from == before.size()) continue;
            gain += top;
            size += std::abs(worth[from]) + std::abs(into) + std::abs(serve) + std::abs(before[from]);
            size += prices.load[c] * load[from] + prices.place[c];
        }
        gains.won(c, column) = gain;
        gains.summed(c, column) = size;
    }
}

SlotGains SlotDual::gains(const SlotPrices& prices) const {
    SlotGains found{Matrix<double>(segments_.size(), 2), Matrix<double>(segments_.size(), 2)};
    for (Size e = 0; e < 2; ++e)
        fill_gains(segments_, prices, [&](const SlotSegment& s) { return s.level(e); }, e, found);
    return found;
}

double SlotDual::value(const SlotPrices& prices, const SlotGains& gains) const {
    const double served = sum_of(prices.serve);
    double total = served, size = 0.0;
    for (const double price : prices.serve) size += std::abs(price);
    for (Size s = 0; s + 1 < starts_.size(); ++s) {
        double best = NEVER, most = 0.0;
        for (Size c = starts_[s]; c < starts_[s + 1]; ++c) {
            best = std::max(best, gains.best(c));
            most = std::max({most, gains.summed(c, 0), gains.summed(c, 1)});
        }
        total += best;
        size += most;
    }
    return total + SUM_ROUNDING * size;
}

Doubles SlotDual::best_of_cell(const SlotGains& gains) const {
    Doubles best(segments_.size());
    for (Size s = 0; s + 1 < starts_.size(); ++s) {
        double most = NEVER;
        for (Size c = starts_[s]; c < starts_[s + 1]; ++c) most = std::max(most, gains.best(c));
        std::fill(best.begin() + static_cast<std::ptrdiff_t>(starts_[s]),
                  best.begin() + static_cast<std::ptrdiff_t>(starts_[s + 1]), most);
    }
    return best;
}

CellPrices SlotDual::best_levels(const SlotPrices& prices) const {
    const SlotGains found = gains(prices);
    const Size cells = view_->cells();
    CellPrices best{Doubles(cells, 0.0), Doubles(cells, 0.0), Doubles(cells, 0.0)};
    for (Size s = 0; s + 1 < starts_.size(); ++s) {
        Size leader = starts_[s];
        for (Size c = leader; c < starts_[s + 1]; ++c)
            if (found.best(c) > found.best(leader)) leader = c;
        const SlotSegment& segment = segments_[leader];
        best.level[segment.cell] = segment.level(found.won(leader, 0) >= found.won(leader, 1) ? 0 : 1);
        best.load[segment.cell] = prices.load[leader];
        best.place[segment.cell] = prices.place[leader];
    }
    return best;
}

// --- softened --------------------------------------------------------------------------------------------------------

SlotEdges SlotDual::edges(const SlotPrices& prices, double threshold) const {
    SlotEdges found;
    const Size width = view_->positions();
    Doubles worth(width), load(width);
    found.of_end.reserve(2 * segments_.size() + 1);
    for (Size c = 0; c < segments_.size(); ++c) {
        const SlotSegment& segment = segments_[c];
        for (Size e = 0; e < 2; ++e) {
            found.of_end.push_back(static_cast<std::int64_t>(found.items.size()));
            if (e >= segment.ends()) continue;
            for (const SlotItem item : view_->items_of(segment.cell)) {
                if (!view_->edges(item, segment, segment.level(e), worth, load)) continue;
                const auto row = static_cast<Size>(item.row), prior = static_cast<Size>(view_->prior[row]);
                const double fixed = prices.node(row, item.pos) - prices.serve[row] - prices.place[c];
                const Size first = found.source.size();
                for (Size q = 0; q < static_cast<Size>(view_->width[prior]); ++q) {
                    const double margin = worth[q] + fixed - prices.node(prior, q) - prices.load[c] * load[q];
                    if (worth[q] == NEVER || margin < threshold) continue;
                    found.source.push_back(static_cast<std::int32_t>(prior * width + q));
                    found.worth.push_back(worth[q]);
                    found.load.push_back(load[q]);
                }
                if (found.source.size() == first) continue;
                const auto node = static_cast<std::int32_t>(row * width + static_cast<Size>(item.pos));
                found.items.push_back({item.row, node, static_cast<std::int64_t>(first)});
            }
        }
    }
    found.of_end.push_back(static_cast<std::int64_t>(found.items.size()));
    found.items.push_back({0, 0, static_cast<std::int64_t>(found.source.size())});
    return found;
}

double SlotDual::smoothed(const SlotEdges& edges, const SlotPrices& prices, double temperature,
                          SlotPrices& slope) const {
    std::ranges::fill(slope.serve, 1.0);
    std::ranges::fill(slope.node.values(), 0.0);
    std::ranges::fill(slope.load, 0.0);
    std::ranges::fill(slope.place, 0.0);
    const double* node = prices.node.data();
    double* node_slope = slope.node.data();
    double total = sum_of(prices.serve);
    const double inverse = 1.0 / temperature;
    Doubles gain, margin(view_->positions());
    std::vector<Size> ends;
    ActiveEdges active;
    for (Size s = 0; s + 1 < starts_.size(); ++s) {
        const Size first = starts_[s], last = starts_[s + 1];
        const double places = view_->places[segments_[first].cell];
        gain.assign(2 * (last - first), NEVER);
        ends.assign(1, 0);
        active.clear();
        for (Size at = 0; at < gain.size(); ++at) {
            const Size c = first + at / 2;
            const double load = prices.load[c], place = prices.place[c];
            for (auto i = static_cast<Size>(edges.of_end[2 * first + at]);
                 i < static_cast<Size>(edges.of_end[2 * first + at + 1]); ++i) {
                const auto& item = edges.items[i];
                const auto begin = static_cast<Size>(item.first), n = static_cast<Size>(edges.items[i + 1].first) - begin;
                const double fixed = node[item.node] - prices.serve[static_cast<Size>(item.row)] - place;
                const std::int32_t* source = edges.source.data() + begin;
                const double *worth = edges.worth.data() + begin, *loads = edges.load.data() + begin;
                double top = NEVER;
                for (Size a = 0; a < n; ++a) {
                    margin[a] = (worth[a] + fixed - node[source[a]] - load * loads[a]) * inverse;
                    top = std::max(top, margin[a]);
                }
                if (top < WEIGHTLESS) continue;
                // A user may also stay away, at margin 0.
                top = std::max(top, 0.0);
                active.items.push_back({item.row, item.node, active.source.size()});
                active.top.push_back(top);
                active.stay.push_back(std::max(-top, WEIGHTLESS));
                for (Size a = 0; a < n; ++a) {
                    if (margin[a] - top <= WEIGHTLESS) continue;
                    active.source.push_back(source[a]);
                    active.load.push_back(loads[a]);
                    active.weight.push_back(margin[a] - top);
                }
            }
            ends.push_back(active.items.size());
        }
        active.soften();
        for (Size at = 0; at < gain.size(); ++at) {
            const Size c = first + at / 2;
            if (at % 2 >= segments_[c].ends()) continue;
            double softened = 0.0;
            for (Size i = ends[at]; i < ends[at + 1]; ++i) softened += active.top[i] + active.stay[i];
            gain[at] = prices.load[c] * segments_[c].level(at % 2) + prices.place[c] * places + temperature * softened;
        }
        const Softmax cell = soften(gain, temperature);
        total += cell.value(temperature);
        for (Size at = 0; at < gain.size(); ++at) {
            const Size c = first + at / 2;
            const double share = gain[at] / cell.mass;
            if (share < NO_SHARE) continue;
            double taken = 0.0, number = 0.0;
            for (Size i = ends[at]; i < ends[at + 1]; ++i) {
                const auto& item = active.items[i];
                const double part = 1.0 / active.mass[i];
                double into = 0.0;
                for (Size a = item.first; a < active.items[i + 1].first; ++a) {
                    const double chosen = active.weight[a] * part;
                    into += chosen;
                    taken += chosen * active.load[a];
                    node_slope[active.source[a]] -= share * chosen;
                }
                number += into;
                node_slope[item.node] += share * into;
                slope.serve[static_cast<Size>(item.row)] -= share * into;
            }
            slope.load[c] += share * (segments_[c].level(at % 2) - taken);
            slope.place[c] += share * (places - number);
        }
    }
    return total;
}

// --- ascent ----------------------------------------------------------------------------------------------------------

namespace {

// The typical change of each cell's price of places, and of its load.
struct CellUnits {
    double place;
    Doubles load;  // (K,)
};

CellUnits cell_units(const SlotView& view, double unit) {
    // A cell's prices concern all its users, so the same step in them does that much more.
    const double rows_of_cell = static_cast<double>(view.rows()) / std::max(static_cast<double>(view.cells()), 1.0);
    CellUnits units{unit / std::sqrt(rows_of_cell), Doubles(view.cells())};
    for (Size k = 0; k < view.cells(); ++k) {
        double weight = 0.0;
        for (const SlotItem item : view.items_of(k)) weight += view.load_of(item);
        weight /= std::max(static_cast<double>(view.items_of(k).size()), 1.0);
        units.load[k] = units.place / (weight > 0.0 ? weight : 1.0);
    }
    return units;
}

}  // namespace

SlotPrices SlotDual::settled(const SlotPrices& prices) const {
    SlotPrices result = prices;
    const CellUnits unit = cell_units(*view_, unit_);
    Doubles worth(view_->positions()), load(view_->positions());
    SegmentOptions all;
    for (Size c = 0; c < segments_.size(); ++c) {
        const SlotSegment& segment = segments_[c];
        for (Size e = 0; e < segment.ends(); ++e) {
            auto& options = all.options[e];
            options.clear();
            std::int32_t number = 0;
            for (const SlotItem item : view_->items_of(segment.cell)) {
                ++number;
                if (!view_->edges(item, segment, segment.level(e), worth, load)) continue;
                const auto row = static_cast<Size>(item.row), prior = static_cast<Size>(view_->prior[row]);
                const double fixed = prices.node(row, item.pos) - prices.serve[row] - prices.place[c];
                const Size begun = options.size();
                for (Size q = 0; q < static_cast<Size>(view_->width[prior]); ++q) {
                    const double margin = worth[q] + fixed - prices.node(prior, q);
                    if (!(margin > 0.0)) continue;
                    // Where h is the same from all positions before, the best of them will do.
                    if (options.size() == begun || view_->clamps())
                        options.push_back({margin, load[q], number});
                    else
                        options.back().margin = std::max(options.back().margin, margin);
                }
            }
        }
        const double price = prices.load[c];
        auto [before, slope] = all.won(segment, price);
        double under = 0.0, over = price, step = std::max(price, unit.load[segment.cell]);
        while (slope < 0.0) {
            under = over;
            over += step;
            step *= 2.0;
            slope = all.won(segment, over).second;
        }
        for (std::int64_t halving = 0; halving < params_.halvings; ++halving) {
            const double middle = 0.5 * (under + over);
            (all.won(segment, middle).second < 0.0 ? under : over) = middle;
        }
        if (all.won(segment, over).first < before) result.load[c] = over;
    }
    return result;
}

SlotValued SlotDual::ascend(const SlotPrices& start, std::span<const double> temperatures,
                            Cancellation& cancellation) const {
    SlotPrices prices = settled(start);
    SlotGains won = gains(prices);
    SlotValued best{value(prices, won), prices};
    // Segments once near stay in, or they take turns.
    std::vector<char> near(segments_.size(), 0);
    double reach = params_.near_edges;
    for (const double temperature : temperatures) {
        if (cancellation.requested()) break;
        const Doubles leading = best_of_cell(won);
        SlotPrices some{prices.serve, prices.node, {}, {}};
        for (Size c = 0; c < segments_.size(); ++c) {
            near[c] |= won.best(c) >= leading[c] - params_.near * unit_;
            if (!near[c]) continue;
            some.load.push_back(prices.load[c]);
            some.place.push_back(prices.place[c]);
        }
        const SlotDual part = only(near);
        SlotValued found = part.climb(some, temperature, reach, cancellation);
        // Softened over all edges the dual lies above its value. Where it does not, edges that were left out matter.
        while (found.value < part.value(found.prices) && reach < ALL_EDGES && !cancellation.requested()) {
            reach *= params_.widening;
            found = part.climb(some, temperature, reach, cancellation);
        }
        prices.serve = std::move(found.prices.serve);
        prices.node = std::move(found.prices.node);
        for (Size c = 0, at = 0; c < segments_.size(); ++c) {
            if (!near[c]) continue;
            prices.load[c] = found.prices.load[at];
            prices.place[c] = found.prices.place[at++];
        }
        prices = settled(prices);
        won = gains(prices);
        const double reached = value(prices, won);
        if (reached < best.value) best = {reached, prices};
    }
    return best;
}

SlotDual SlotDual::only(const std::vector<char>& kept) const {
    std::vector<SlotSegment> some;
    for (Size c = 0; c < segments_.size(); ++c)
        if (kept[c]) some.push_back(segments_[c]);
    return SlotDual(view_, std::move(some), unit_, params_);
}

SlotValued SlotDual::climb(const SlotPrices& prices, double temperature, double reach,
                           Cancellation& cancellation) const {
    const Size rows = view_->rows(), width = view_->positions();
    // The variables: π, the ν that are free, λ, and the μ that can bind. Where a stay ends and where there is no choice
    // potentials are what they are; levels say all of places under equal sharing, and elsewhere places may do for all.
    std::vector<Size> nodes, binding;
    for (Size row = 0; row < rows; ++row)
        for (Size p = 0; !view_->is_last(row) && p < static_cast<Size>(view_->width[row]); ++p)
            nodes.push_back(row * width + p);
    for (Size c = 0; c < segments_.size(); ++c) {
        const Size k = segments_[c].cell;
        const bool short_of = view_->places[k] < static_cast<double>(view_->items_of(k).size());
        if (short_of && view_->sharing != Sharing::EQUAL) binding.push_back(c);
    }
    const Size loads = rows + nodes.size(), places = loads + segments_.size(), size = places + binding.size();
    const CellUnits cell_unit = cell_units(*view_, unit_);
    Doubles start(size), unit(size, unit_);
    const auto bounded = std::make_unique<bool[]>(size), fixed = std::make_unique<bool[]>(size);
    const auto gather = [&](const SlotPrices& from, std::span<double> x) {
        std::ranges::copy(from.serve, x.begin());
        for (Size j = 0; j < nodes.size(); ++j) x[rows + j] = from.node.values()[nodes[j]];
        std::ranges::copy(from.load, x.begin() + static_cast<std::ptrdiff_t>(loads));
        for (Size j = 0; j < binding.size(); ++j) x[places + j] = from.place[binding[j]];
    };
    const auto scatter = [&](std::span<const double> x, SlotPrices& to) {
        std::copy_n(x.begin(), rows, to.serve.begin());
        for (Size j = 0; j < nodes.size(); ++j) to.node.values()[nodes[j]] = x[rows + j];
        std::copy_n(x.begin() + static_cast<std::ptrdiff_t>(loads), segments_.size(), to.load.begin());
        for (Size j = 0; j < binding.size(); ++j) to.place[binding[j]] = x[places + j];
    };
    gather(prices, start);
    for (Size j = loads; j < size; ++j) {
        bounded[j] = true;
        unit[j] = j < places ? cell_unit.load[segments_[j - loads].cell] : cell_unit.place;
    }
    const double heat = temperature * unit_;
    // Edges far from being used hardly come near within one ascent.
    const SlotEdges near = edges(prices, -std::max(reach, -WEIGHTLESS * temperature) * unit_);
    SlotPrices at = prices, slope = prices;
    const auto softened = [&](std::span<const double> x, double, std::span<double> up) {
        scatter(x, at);
        const double value = smoothed(near, at, heat, slope);
        gather(slope, up);
        for (double& one : up) one = -one;
        return -value;
    };
    AscentParams ascent;
    ascent.iterations = params_.iterations;
    const auto room = params_.remembered / static_cast<std::int64_t>(2 * size);
    ascent.memory = std::max<std::int64_t>(3, std::min(params_.memory, room));
    Doubles unused(size);
    const auto valued = [&](std::span<const double> x) { return softened(x, heat, unused); };
    ascent.least_gain =
        params_.precision * static_cast<double>(rows) * unit_ / std::max(std::abs(valued(start)), 1e-300);
    const Variables variables{start, unit, {bounded.get(), size}, {fixed.get(), size}};
    const Ascended found = dtopt::ascend(softened, valued, variables, std::span(&heat, 1), ascent, cancellation);
    scatter(found.point, at);
    return {-found.value, at};
}

// --- segments --------------------------------------------------------------------------------------------------------

std::pair<std::shared_ptr<SlotDual>, SlotPrices> SlotDual::finer(const SlotPrices& prices, double accuracy) const {
    SlotGains won = gains(prices);
    const Doubles leading = best_of_cell(won);
    std::vector<SlotSegment> middles;
    for (const SlotSegment& s : segments_) middles.push_back({s.cell, s.middle(), s.middle()});
    SlotGains inside{Matrix<double>(segments_.size(), 1), Matrix<double>(segments_.size(), 1)};
    // With items and pieces of kinks as in the middle.
    fill_gains(middles, prices, [](const SlotSegment& s) { return s.low; }, 0, inside);
    const double cells = static_cast<double>(std::max<Size>(starts_.size() - 1, 1));
    std::vector<SlotSegment> parts;
    SlotPrices of_parts{prices.serve, prices.node, {}, {}};
    const auto put = [&](Size c, double low, double high) {
        parts.push_back({segments_[c].cell, low, high});
        of_parts.load.push_back(prices.load[c]);
        of_parts.place.push_back(prices.place[c]);
    };
    for (Size c = 0; c < segments_.size(); ++c) {
        const auto [k, low, high] = segments_[c];
        const double chord = low < high ? 0.5 * (won.won(c, 0) + won.won(c, 1)) - inside.won(c, 0) : 0.0;
        if (!(chord * cells > accuracy) || won.best(c) < leading[c] - chord - accuracy / cells) {
            put(c, low, high);
            continue;
        }
        const bool discrete = view_->sharing == Sharing::EQUAL;
        const double pieces = static_cast<double>(params_.pieces), step = (high + (discrete ? 1.0 : 0.0) - low) / pieces;
        double from = low;
        for (std::int64_t piece = 1; piece <= params_.pieces; ++piece) {
            double to = low + step * static_cast<double>(piece);
            if (discrete) {
                // Whole numbers from this piece's first to the one before the next piece's.
                to = std::floor(to + 0.5) - 1.0;
                if (to < from) continue;
            } else if (piece == params_.pieces) {
                to = high;
            }
            put(c, from, to);
            from = discrete ? to + 1.0 : to;
        }
    }
    if (parts.size() == segments_.size()) return {nullptr, prices};
    return {std::make_shared<SlotDual>(view_, std::move(parts), unit_, params_), std::move(of_parts)};
}

}  // namespace dtopt
