#include "solvers/core/slot_spread.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "dtopt/core/softmax.hpp"

namespace dtopt {

namespace {

constexpr double NEVER = -std::numeric_limits<double>::infinity();

// Return the mean over rows of how much more the best node is worth than the mean one, but no less than a part of that.
double spread_of(const SlotView& view, const Matrix<double>& worth) {
    double above = 0.0, size = 0.0, able_rows = 0.0;
    for (Size row = 0; row < view.rows(); ++row) {
        double best = NEVER, sum = 0.0, able = 0.0;
        for (const double one : worth.row(row)) {
            if (one == NEVER) continue;
            best = std::max(best, one);
            sum += one;
            able += 1.0;
        }
        if (able == 0.0) continue;
        above += best - sum / able;
        size += std::abs(sum / able);
        able_rows += 1.0;
    }
    return able_rows == 0.0 ? 1e-300 : std::max({above / able_rows, 1e-3 * size / able_rows, 1e-300});
}

// Return the mean over items of what a user costs the others on its cell.
double external_cost(const SlotView& view, const Doubles& load) {
    double sum = 0.0;
    for (Size k = 0; k < view.cells(); ++k)
        for (const SlotItem item : view.items_of(k)) sum += load[k] * view.load_of(item);
    return sum / std::max(static_cast<double>(view.items.size()), 1.0);
}

// Fill in π and ν of potentials halfway between the least and the largest that leave no edge a margin.
void fill_potentials(const SlotView& view, const SlotSpread& paths, SlotStart& start) {
    const Size rows = view.rows(), positions = view.positions();
    // The worth of each stay's best path, carried to its rows: they are in order of slots.
    Doubles whole(view.all_rows(), 0.0), mean(view.all_rows(), 0.0);
    for (Size source = rows; source < view.all_rows(); ++source) {
        const double best = paths.backward(source, 0);
        whole[source] = best;
        mean[source] = best > NEVER ? best : 0.0;
    }
    start.serve.resize(rows);
    start.node = Matrix<double>(view.all_rows(), positions, 0.0);
    for (Size row = 0; row < rows; ++row) {
        const auto prior = static_cast<Size>(view.prior[row]), width = static_cast<Size>(view.width[row]);
        whole[row] = whole[prior];
        const auto potential = [&](Size p) {
            if (view.is_last(row)) return 0.0;
            const double middle = 0.5 * (paths.backward(row, p) + whole[row] - paths.forward(row, p));
            return std::isfinite(middle) ? middle : NEVER;
        };
        double sum = 0.0, total = 0.0;
        for (Size p = 0; p < width; ++p) {
            const double value = potential(p), weight = std::max(paths.chosen(row, p), 1e-12);
            if (value == NEVER) continue;
            sum += weight * value;
            total += weight;
        }
        mean[row] = total > 0.0 ? sum / total : 0.0;
        start.serve[row] = mean[prior] - mean[row];
        if (view.is_last(row)) continue;
        for (Size p = 0; p < width; ++p) {
            const double value = potential(p);
            double& node = start.node(row, p);
            if (value > NEVER) node = value - mean[row];
            // Nowhere to go from there: not worth entering. Where there is no way in: nothing is lost by leaving.
            if (paths.backward(row, p) == NEVER) node = -10.0 * start.unit;
            if (paths.forward(row, p) == NEVER) node = 10.0 * start.unit;
        }
    }
}

}  // namespace

SlotSpread::SlotSpread(const SlotView& view, bool only_real)
    : worth(view.rows(), view.positions(), NEVER),
      forward(view.all_rows(), view.positions()),
      chosen(view.rows(), view.positions()),
      view_(view),
      width_(only_real ? view.real_width : view.width),
      value_(view.move.size(), NEVER),
      load_(view.move.size()),
      weight_(view.move.size()) {}

Size SlotSpread::count_of(Size row) const { return static_cast<Size>(width_[row]); }

void SlotSpread::value_edges(const CellPrices& cells) {
    const Size c = view_.positions();
    for (Size row = 0; row < view_.rows(); ++row) {
        const Size before = count_of(static_cast<Size>(view_.prior[row]));
        for (Size p = 0; p < count_of(row); ++p) {
            const auto k = static_cast<Size>(view_.cell(row, p));
            // A level below what the user alone brings is none that it meets there.
            double level = cells.level[k];
            if (view_.sharing == Sharing::OPTIMAL) level = std::max(level, view_.size_of(row, k));
            const std::span value(value_.data() + edge(row, p), c), load(load_.data() + edge(row, p), c);
            double& best = worth(row, p);
            best = NEVER;
            const SlotItem item{static_cast<std::int32_t>(row), static_cast<std::int32_t>(p)};
            if (!view_.edges(item, {k, level, level}, level, value, load)) {
                std::ranges::fill(value, NEVER);
                continue;
            }
            for (Size q = 0; q < before; ++q) {
                value[q] -= cells.load[k] * load[q] + cells.place[k];
                best = std::max(best, value[q]);
            }
        }
    }
}

void SlotSpread::spread(const CellPrices& cells, double temperature) {
    std::ranges::fill(forward.values(), 0.0);
    std::ranges::fill(chosen.values(), 0.0);
    held.assign(view_.cells(), 0.0);
    count.assign(view_.cells(), 0.0);
    fall.assign(view_.cells(), 0.0);
    for (Size row = 0; row < view_.rows(); ++row) {
        const auto prior = static_cast<Size>(view_.prior[row]);
        const Size before = count_of(prior);
        for (Size p = 0; p < count_of(row); ++p) {
            const std::span weight(weight_.data() + edge(row, p), before);
            for (Size q = 0; q < before; ++q) weight[q] = value_[edge(row, p) + q] + forward(prior, q);
            const Softmax sum = soften(weight, temperature);
            forward(row, p) = sum.value(temperature);
            for (double& part : weight) part /= sum.mass > 0.0 ? sum.mass : 1.0;
        }
    }
    // From the end of each stay: who is on a node has come from the nodes before by their weights.
    for (Size row = view_.rows(); row-- > 0;) {
        const Size n = count_of(row);
        const auto prior = static_cast<Size>(view_.prior[row]);
        if (view_.is_last(row)) {
            const auto part = chosen.row(row).subspan(0, n);
            std::ranges::copy(forward.row(row).subspan(0, n), part.begin());
            const Softmax sum = soften(part, temperature);
            for (double& one : part) one /= sum.mass > 0.0 ? sum.mass : 1.0;
        }
        for (Size p = 0; p < n; ++p) {
            const double part = chosen(row, p);
            if (part == 0.0) continue;
            if (prior < view_.rows())
                for (Size q = 0; q < count_of(prior); ++q) chosen(prior, q) += part * weight_[edge(row, p) + q];
            add_node(cells, row, p, part);
        }
    }
}

// Add a part of a user on a node to what its cell holds.
void SlotSpread::add_node(const CellPrices& cells, Size row, Size pos, double part) {
    const auto k = static_cast<Size>(view_.cell(row, pos));
    const double g = view_.growth_of(row, k), early = view_.slack(row, pos) - g * cells.level[k];
    const double base = view_.beta * exp(early);
    const auto moves = view_.moves(row, pos), decays = view_.decays(row, pos);
    double taken = 0.0, steep = 0.0;
    for (Size q = 0; q < count_of(static_cast<Size>(view_.prior[row])); ++q) {
        const double share = weight_[edge(row, pos) + q];
        if (share == 0.0) continue;
        taken += share * load_[edge(row, pos) + q];
        const bool late = moves[q] > early;
        if (!(view_.clamps() && late)) steep += share * base * decays[q];
        if (late) steep += share * view_.penalty;
    }
    held[k] += part * taken;
    count[k] += part;
    fall[k] += part * g * steep;
}

void SlotSpread::look_back(double temperature) {
    backward = Matrix<double>(view_.all_rows(), view_.positions(), 0.0);
    Doubles way(view_.positions());
    const auto fill = [&](Size row) {
        if (view_.is_last(row)) return;
        const auto after = static_cast<Size>(view_.next[row]);
        const std::span ways(way.data(), count_of(after));
        for (Size q = 0; q < count_of(row); ++q) {
            for (Size p = 0; p < ways.size(); ++p) ways[p] = value_[edge(after, p) + q] + backward(after, p);
            backward(row, q) = soften(ways, temperature).value(temperature);
        }
    };
    // A source stands after all rows, but before those of its stay in time.
    for (Size row = view_.rows(); row-- > 0;) fill(row);
    for (Size source = view_.rows(); source < view_.all_rows(); ++source) fill(source);
}

SlotStart find_start(const SlotView& view, const Doubles& even, const Doubles& top, const SlotStartParams& params,
                     Cancellation& cancellation) {
    const Size k_all = view.cells();
    SlotStart start{{Doubles(k_all), Doubles(k_all, 0.0), Doubles(k_all, 0.0)}, {}, {}, 0.0};
    auto& [level, load, place] = start.cells;
    Doubles typical(k_all, 0.0);
    for (Size k = 0; k < k_all; ++k) {
        level[k] = std::min(std::max(even[k], 1e-12 * top[k]), top[k]);
        if (view.sharing != Sharing::FIXED) continue;
        for (const auto item : view.items_of(k)) typical[k] += view.load_of(item);
        typical[k] /= std::max(static_cast<double>(view.items_of(k).size()), 1.0);
    }
    SlotSpread paths(view, false);
    paths.value_edges(start.cells);
    start.unit = spread_of(view, paths.worth);
    double temperature = params.warmest * start.unit;
    const double steps = static_cast<double>(std::max<std::int64_t>(params.rounds - 1, 1));
    const double cooling = exp(log(params.coldest / params.warmest) / steps);
    for (std::int64_t round = 0; round < params.rounds && !cancellation.requested(); ++round) {
        if (round > 0) {
            temperature *= cooling;
            paths.value_edges(start.cells);
        }
        paths.spread(start.cells, temperature);
        for (Size k = 0; k < k_all; ++k) {
            const double full = log(std::max(paths.count[k], 1e-9) / std::max(view.places[k], 1e-9));
            place[k] = std::max(0.0, place[k] + temperature * full);
            if (view.sharing == Sharing::FIXED) {
                const double over = temperature * log(std::max(paths.held[k], 1e-9)) / std::max(typical[k], 1e-300);
                load[k] = std::max(0.0, load[k] + params.step * over);
                continue;
            }
            level[k] = std::clamp(level[k] + params.step * (paths.held[k] - level[k]), 0.0, top[k]);
            // The marginal cost of load: how fast the worth of those who are there falls with the level.
            load[k] += params.step * (paths.fall[k] - load[k]);
        }
    }
    paths.value_edges(start.cells);
    paths.spread(start.cells, temperature);
    paths.look_back(temperature);
    fill_potentials(view, paths, start);
    // Where users are indifferent between servers, worth varies with the levels, and the spread is no unit.
    start.unit = std::max(start.unit, external_cost(view, load));
    return start;
}

Integers rounded(const SlotView& view, const CellPrices& cells, double temperature) {
    SlotSpread paths(view, true);
    paths.value_edges(cells);
    paths.spread(cells, temperature);
    Integers choice(view.rows());
    for (Size row = 0; row < view.rows(); ++row) {
        const auto part = paths.chosen.row(row);
        choice[row] = std::ranges::max_element(part) - part.begin();
    }
    return choice;
}

}  // namespace dtopt
