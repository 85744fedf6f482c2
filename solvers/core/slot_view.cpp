#include "solvers/core/slot_view.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "dtopt/core/elementary.hpp"

namespace dtopt {

namespace {

constexpr double NEVER = -std::numeric_limits<double>::infinity();

void require_fit(bool holds, const char* message) {
    if (!holds) throw std::invalid_argument(message);
}

}  // namespace

void SlotView::finish(Size n_sources) {
    const Size r = rows(), c = positions();
    require_fit((r + n_sources) * std::max<Size>(c, 1) < std::numeric_limits<std::int32_t>::max(),
                "there are too many rows and positions");
    width.assign(r + n_sources, 1);
    next.assign(r + n_sources, -1);
    starts.assign(cells() + 1, 0);
    for (Size row = 0; row < r; ++row) {
        const auto list = cell.row(row);
        Size n = 0;
        for (; n < c && list[n] >= 0; ++n) {
            require_fit(static_cast<Size>(list[n]) < cells(), "cell must be from -1 to the number of cells - 1");
            ++starts[static_cast<Size>(list[n]) + 1];
        }
        for (Size p = n; p < c; ++p) require_fit(list[p] == -1, "a list must not go on after a -1");
        width[row] = static_cast<std::int64_t>(n);
        const auto before = static_cast<Size>(prior[row]);
        require_fit(prior[row] >= 0 && before < r + n_sources && (before < row || before >= r),
                    "prior must be a row before, or a source");
        require_fit(next[before] < 0, "a row must not come before two others");
        next[before] = static_cast<std::int64_t>(row);
    }
    real_width = width;
    for (Size row = 0; has_others && row < r; ++row)
        real_width[row] = std::min(width[row], static_cast<std::int64_t>(c) - 1);
    for (Size k = 0; k < cells(); ++k) starts[k + 1] += starts[k];
    items.resize(static_cast<Size>(starts.back()));
    Integers at(starts);
    for (Size row = 0; row < r; ++row)
        for (Size p = 0; p < static_cast<Size>(width[row]); ++p)
            items[static_cast<Size>(at[static_cast<Size>(cell(row, p))]++)] = {static_cast<std::int32_t>(row),
                                                                               static_cast<std::int32_t>(p)};
    decay.resize(move.size());
    for (Size j = 0; j < move.size(); ++j) {
        require_fit(move[j] >= 0.0, "move must be at least 0");
        decay[j] = std::isfinite(move[j]) ? exp(-move[j]) : -1.0;
    }
}

Size SlotView::most_items() const {
    std::int64_t most = 0;
    for (Size k = 0; k < cells(); ++k) most = std::max(most, starts[k + 1] - starts[k]);
    return static_cast<Size>(most);
}

bool SlotView::edges(SlotItem item, const SlotSegment& segment, double level, std::span<double> worth,
                     std::span<double> load) const {
    const Size row = static_cast<Size>(item.row), pos = static_cast<Size>(item.pos), k = segment.cell;
    if (sharing == Sharing::OPTIMAL && size_of(row, k) > segment.high * (1.0 + LEVEL_ROUNDING)) return false;
    const Size count = static_cast<Size>(width[static_cast<Size>(prior[row])]);
    const double g = growth_of(row, k), left = slack(row, pos);
    const double base = beta * exp(left - g * level), middle = g * segment.middle();
    const double weight = load_of(item);
    const auto times = moves(row, pos), decays_here = decays(row, pos);
    bool found = false;
    for (Size q = 0; q < count; ++q) {
        const bool able = decays_here[q] >= 0.0;
        worth[q] = able ? base * decays_here[q] : NEVER;
        load[q] = able ? weight : 0.0;
        found |= able;
    }
    if (penalty > 0.0) {
        // −max(0, x) lies below both of its pieces; the one that holds in the middle is taken for the whole segment.
        for (Size q = 0; q < count; ++q)
            if (middle > left - times[q]) worth[q] -= penalty * (g * level - left + times[q]);
    } else if (clamps()) {
        for (Size q = 0; q < count; ++q) {
            if (decays_here[q] < 0.0) continue;
            worth[q] = std::max(worth[q], beta);
            const double most = left - times[q] + room[row];
            if (middle > most) load[q] = weight * (g * level / most);
        }
    } else if (hard && sharing == Sharing::EQUAL) {
        found = false;
        for (Size q = 0; q < count; ++q) {
            if (g * segment.low > left - times[q] + room[row]) {
                worth[q] = NEVER;
                load[q] = 0.0;
            }
            found |= worth[q] > NEVER;
        }
    }
    return found;
}

}  // namespace dtopt
