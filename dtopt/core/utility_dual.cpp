#include "dtopt/core/utility_dual.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>

#include "dtopt/core/elementary.hpp"
#include "dtopt/core/hot.hpp"
#include "dtopt/core/sums.hpp"

namespace dtopt {

namespace {

constexpr double INF = std::numeric_limits<double>::infinity();
// Softened maxima of 0 and x: below this part of the temperature x adds nothing.
constexpr double NOTHING = -40.0;

// Sums over the users of one end.
struct EndSums {
    double gain, taken, count;
};

// Sum log(1 + e^x) and what follows from it; `part` becomes the probability of each user.
DTOPT_INLINE EndSums end_body(const double* ratio, const double* load, double* part, Size size) {
    Lanes gain, taken, count;
    each_lane(0, size, [&](Size j, Size x) DTOPT_LAMBDA {
        const double r = ratio[j], above = r > 0.0 ? r : 0.0, small = exp(r > 0.0 ? -r : r);
        const double chosen = (r > 0.0 ? 1.0 : small) / (1.0 + small);
        part[j] = chosen;
        gain.lane[x] += above + log1p_unit(small);
        taken.lane[x] += chosen * load[j];
        count.lane[x] += chosen;
    });
    return {gain.total(), taken.total(), count.total()};
}

DTOPT_HOT(EndSums, end_sums, (const double* ratio, const double* load, double* part, Size size), end_body,
          (ratio, load, part, size))

// What a segment's end wins without softening from users whose margin is above 0 at no price of load.
struct EndMargins {
    Doubles margin, weight;
    double level = 0.0, room = 0.0;  // the end's level; price of places times places
};

struct Won {
    double gain, slope;  // the slope is in the price of load
};

DTOPT_INLINE Won won_body(const double* margin, const double* weight, Size size, double load) {
    Lanes gain, taken;
    each_lane(0, size, [&](Size j, Size x) DTOPT_LAMBDA {
        const double left = margin[j] - load * weight[j];
        gain.lane[x] += left > 0.0 ? left : 0.0;
        taken.lane[x] += left > 0.0 ? weight[j] : 0.0;
    });
    return {gain.total(), taken.total()};
}

DTOPT_HOT(Won, won_at, (const double* margin, const double* weight, Size size, double load), won_body,
          (margin, weight, size, load))

// Return what a segment wins at its better end.
Won better_end(std::span<const EndMargins> ends, double load) {
    Won best{-INF, 0.0};
    for (const EndMargins& end : ends) {
        const Won won = won_at(end.margin.data(), end.weight.data(), end.margin.size(), load);
        const double gain = load * end.level + end.room + won.gain;
        if (gain > best.gain) best = {gain, end.level - won.slope};
    }
    return best;
}

}  // namespace

SegmentChoice::SegmentChoice(const UtilitySegments& all) : segment(all.segments()), starts(all.starts) {
    std::iota(segment.begin(), segment.end(), std::int64_t{0});
}

SegmentChoice::SegmentChoice(const UtilitySegments& all, std::span<const bool> kept) : starts{0} {
    for (Size k = 0; k < all.servers(); ++k) {
        for (auto c = all.starts[k]; c < all.starts[k + 1]; ++c)
            if (kept[static_cast<Size>(c)]) segment.push_back(c);
        starts.push_back(static_cast<std::int64_t>(segment.size()));
    }
}

SmoothedUtility::SmoothedUtility(const UtilitySegments& all, SegmentChoice choice)
    : all_(all), choice_(std::move(choice)) {
    std::int64_t most = 0;
    for (Size k = 0; k < all.servers(); ++k) most = std::max(most, choice_.starts[k + 1] - choice_.starts[k]);
    const auto rows = 2 * static_cast<Size>(most);
    ends_.resize(rows + 1);
    const Size n = all.users();
    user_.resize(rows * n);
    part_.resize(rows * n);
    ratio_.resize(n);
    load_.resize(n);
}

double SmoothedUtility::operator()(std::span<const double> row, double temperature, std::span<double> slope_row) {
    const Size n = all_.users(), segments = choice_.segment.size();
    const UtilityPrices<const double> prices(row, n, segments);
    const UtilityPrices<double> slope(slope_row, n, segments);
    const double inverse = 1.0 / temperature;
    double total = lane_sum(0, n, [&](Size i) { return prices.serve[i]; });
    std::fill(slope_row.begin(), slope_row.begin() + static_cast<std::ptrdiff_t>(n), 1.0);
    for (Size server = 0; server < all_.servers(); ++server) {
        const auto begin = static_cast<Size>(choice_.starts[server]);
        const auto end = static_cast<Size>(choice_.starts[server + 1]);
        Size filled = 0;
        double best = -INF;
        for (Size s = begin; s < end; ++s) {
            const auto c = static_cast<Size>(choice_.segment[s]);
            for (Size e = 0; e < 2; ++e) {
                End& at = ends_[2 * (s - begin) + e];
                at = {-INF, 0.0, 0.0, filled};
                if (e == 1 && all_.is_single(c)) continue;
                const auto worth = all_.worth.row(2 * c + e), weight = all_.weight.row(2 * c + e);
                const double load = prices.load[s], place = prices.place[s];
                std::int32_t* users = user_.data() + filled;
                Size count = 0;
                // Most users are far from it, and need no exponentials.
                for (Size i = 0; i < n; ++i) {
                    const double ratio = (worth[i] - prices.serve[i] - load * weight[i] - place) * inverse;
                    users[count] = static_cast<std::int32_t>(i);
                    ratio_[count] = ratio;
                    load_[count] = weight[i];
                    count += ratio > NOTHING ? 1 : 0;
                }
                const EndSums sums = end_sums(ratio_.data(), load_.data(), part_.data() + filled, count);
                at.gain = load * all_.level(c, e) + place * all_.places[c] + temperature * sums.gain;
                at.taken = sums.taken;
                at.count = sums.count;
                best = std::max(best, at.gain);
                filled += count;
            }
        }
        const Size rows = 2 * (end - begin);
        ends_[rows].first = filled;
        double mass = 0.0;
        for (Size r = 0; r < rows; ++r) mass += exp((ends_[r].gain - best) * inverse);
        total += best + temperature * log(mass);
        for (Size s = begin; s < end; ++s) {
            const auto c = static_cast<Size>(choice_.segment[s]);
            slope.load[s] = slope.place[s] = 0.0;
            for (Size e = 0; e < 2; ++e) {
                const Size r = 2 * (s - begin) + e;
                const End& at = ends_[r];
                const double share = exp((at.gain - best) * inverse) / mass;
                if (share == 0.0) continue;
                slope.load[s] += share * (all_.level(c, e) - at.taken);
                slope.place[s] += share * (all_.places[c] - at.count);
                for (Size a = at.first; a < ends_[r + 1].first; ++a)
                    slope.serve[static_cast<Size>(user_[a])] -= share * part_[a];
            }
        }
    }
    return total;
}

Doubles settle_loads(const UtilitySegments& all, std::span<const double> row, std::span<const double> unit,
                     std::int64_t halvings) {
    const Size n = all.users();
    const UtilityPrices<const double> prices(row, n, all.segments());
    Doubles result(prices.load.begin(), prices.load.end());
    EndMargins both[2];
    for (Size c = 0; c < all.segments(); ++c) {
        const double load = prices.load[c], place = prices.place[c];
        const std::span<const EndMargins> ends(both, all.is_single(c) ? 1 : 2);
        for (Size e = 0; e < ends.size(); ++e) {
            EndMargins& end = both[e];
            end.margin.clear();
            end.weight.clear();
            end.level = all.level(c, e);
            end.room = place * all.places[c];
            const auto worth = all.worth.row(2 * c + e), weight = all.weight.row(2 * c + e);
            for (Size i = 0; i < n; ++i) {
                const double margin = worth[i] - prices.serve[i] - place;
                if (!(margin > 0.0)) continue;
                end.margin.push_back(margin);
                end.weight.push_back(weight[i]);
            }
        }
        const Won before = better_end(ends, load);
        double low = 0.0, high = load, slope = before.slope;
        for (double step = std::max(load, unit[c]); slope < 0.0; step *= 2.0) {
            low = high;
            high += step;
            slope = better_end(ends, high).slope;
        }
        for (std::int64_t halving = 0; halving < halvings; ++halving) {
            const double middle = 0.5 * (low + high);
            (better_end(ends, middle).slope < 0.0 ? low : high) = middle;
        }
        if (better_end(ends, high).gain < before.gain) result[c] = high;
    }
    return result;
}

Doubles descend_utility(const UtilitySegments& all, std::span<const double> prices, std::span<const bool> kept,
                        double temperature, std::span<const double> unit, std::span<const bool> fixed, double scale,
                        const AscentParams& params, Cancellation& cancellation) {
    const Size n = all.users();
    SegmentChoice choice(all, kept);
    // Where the chosen prices are among all.
    std::vector<Size> place_of(n);
    std::iota(place_of.begin(), place_of.end(), Size{0});
    for (const Size first : {n, n + all.segments()})
        for (const std::int64_t c : choice.segment) place_of.push_back(first + static_cast<Size>(c));
    const Size size = place_of.size();
    Doubles start(size), units(size);
    const auto is_bounded = std::make_unique<bool[]>(size), is_fixed = std::make_unique<bool[]>(size);
    for (Size j = 0; j < size; ++j) {
        start[j] = prices[place_of[j]];
        units[j] = unit[place_of[j]];
        is_bounded[j] = j >= n;
        is_fixed[j] = fixed[place_of[j]];
        if (is_fixed[j]) start[j] = 0.0;
    }
    SmoothedUtility smoothed(all, std::move(choice));
    bool is_first = true;
    double offset = 0.0, reached = 0.0;
    const auto raised = [&](std::span<const double> point, double at, std::span<double> slope) {
        const double value = smoothed(point, at, slope);
        if (std::exchange(is_first, false)) offset = value;
        for (double& s : slope) s = -s / scale;
        // About 1, so that the least gain is a part of the scale.
        return 1.0 + (offset - value) / scale;
    };
    // The last point counts: what is lowest at this temperature need not be without softening.
    const auto last = [&](std::span<const double>) { return reached += 1.0; };
    const Variables variables{start, units, {is_bounded.get(), size}, {is_fixed.get(), size}};
    const Ascended found =
        ascend(raised, last, variables, std::span<const double>(&temperature, 1), params, cancellation);
    Doubles result(prices.begin(), prices.end());
    for (Size j = 0; j < size; ++j) result[place_of[j]] = found.point[j];
    return result;
}

}  // namespace dtopt
