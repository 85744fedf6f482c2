#include "solvers/core/motion_forecast.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "dtopt/core/elementary.hpp"
#include "dtopt/core/hot.hpp"

namespace dtopt {

namespace {

constexpr double INFINITE = std::numeric_limits<double>::infinity();
// Places of the fitted future: its middle, and three around it whose mean square distance is that of the error.
constexpr Size PLACES = 4;
constexpr double HALF_ROOT_3 = 0.8660254037844386;
constexpr Point AROUND[PLACES] = {{0.0, 0.0}, {1.0, 0.0}, {-0.5, HALF_ROOT_3}, {-0.5, -HALF_ROOT_3}};

double distance(const Point& a, const Point& b) {
    const double x = a[0] - b[0], y = a[1] - b[1];
    return std::sqrt(x * x + y * y);
}

bool is_known(const Point& place) { return place[0] == place[0]; }

// Sums over ways of the products of a user's velocity, its way to the middle, and the way it went, over its pace.
struct Products {
    double vv = 0.0, vm = 0.0, mm = 0.0, vy = 0.0, my = 0.0, yy = 0.0, rows = 0.0;

    void add(double v, double m, double y) {
        vv += v * v;
        vm += v * m;
        mm += m * m;
        vy += v * y;
        my += m * y;
        yy += y * y;
        rows += 1.0;
    }
};

// Write the factors and the error of one horizon: least squares with a prior that users go on as they are.
void solve(const Products& p, double horizon, double prior, double* factor, double& error) {
    const double some = prior / std::max(p.rows, 1.0), velocity = some * p.vv + 1e-9;
    const double left_v = p.vv + velocity, left_m = p.mm + some * p.mm + 1e-9, right_v = p.vy + velocity * horizon;
    const double determinant = left_v * left_m - p.vm * p.vm;
    const double f = p.rows > 0.0 ? (right_v * left_m - p.vm * p.my) / determinant : horizon;
    const double g = p.rows > 0.0 ? (left_v * p.my - p.vm * right_v) / determinant : 0.0;
    factor[0] = f;
    factor[1] = g;
    const double square =
        p.yy - 2.0 * (f * p.vy + g * p.my) + f * f * p.vv + 2.0 * f * g * p.vm + g * g * p.mm;
    error = std::sqrt(std::max(2.0 * square, 0.0) / std::max(p.rows, 1.0));
}

// factor[k] = e to the power of −rate · length[k].
DTOPT_INLINE void decay_body(const double* length, Size size, double rate, double* factor) {
    for (Size k = 0; k < size; ++k) factor[k] = exp(-rate * length[k]);
}

DTOPT_HOT(void, decay, (const double* length, Size size, double rate, double* factor), decay_body,
          (length, size, rate, factor))

// best[k] = the largest base[l] + gain[l] · factor[l][k] over the allowed l.
DTOPT_INLINE void best_body(const double* base, const double* gain, const bool* allowed, const double* factor,
                            Size size, double* __restrict best) {
    std::fill_n(best, size, -INFINITE);
    for (Size l = 0; l < size; ++l) {
        if (!allowed[l]) continue;
        const double *row = factor + l * size, base_l = base[l], gain_l = gain[l];
        for (Size k = 0; k < size; ++k) {
            const double value = base_l + gain_l * row[k];
            best[k] = value > best[k] ? value : best[k];
        }
    }
}

DTOPT_HOT(void, best_of,
          (const double* base, const double* gain, const bool* allowed, const double* factor, Size size, double* best),
          best_body, (base, gain, allowed, factor, size, best))

// squares[j] = the square of the distance from a point to station j.
DTOPT_INLINE void squares_body(const double* x, const double* y, Size size, Point from, double* __restrict squares) {
    for (Size j = 0; j < size; ++j) {
        const double a = x[j] - from[0], b = y[j] - from[1];
        squares[j] = a * a + b * b;
    }
}

DTOPT_HOT(void, squares_of, (const double* x, const double* y, Size size, Point from, double* squares), squares_body,
          (x, y, size, from, squares))

// Forecasts one user after another.
class Forecaster {
  public:
    Forecaster(const Motion& motion, const StationMap& map, const MovingUsers& users, const ForecastParams& params)
        : motion_(motion), map_(map), users_(users), params_(params), servers_(map.between.rows()),
          x_(map.place.size()), y_(x_), squares_(x_), chance_(map.to_server.rows()), length_(servers_), base_(servers_),
          gain_(servers_), best_(servers_), lengths_(servers_, servers_), factor_(lengths_) {
        for (Size j = 0; j < map.place.size(); ++j) {
            x_[j] = map.place[j][0];
            y_[j] = map.place[j][1];
        }
        for (Size k = 0; k < servers_; ++k)
            for (Size l = 0; l < servers_; ++l) lengths_(l, k) = map.between(k, l);
        // Nobody leaves the area.
        for (const auto& places : {map.place, users.place})
            for (const Point& place : places)
                for (Size c = 0; c < 2; ++c) {
                    low_[c] = std::min(low_[c], place[c]);
                    high_[c] = std::max(high_[c], place[c]);
                }
        double survival = 1.0;
        for (std::int64_t slot = 0; const std::int64_t ahead : motion.ahead) {
            for (; slot < ahead; ++slot) survival *= motion.survival;
            survival_.push_back(survival);
        }
    }

    // Write the value of each server to user i in a future, and the wire at some horizons.
    void value(Size i, Future future, std::span<const std::int64_t> shown, double* value, double* wire) {
        const Size horizons = motion_.ahead.size(), users = users_.place.size();
        for (Size h = horizons; h-- > 0;) {
            if (future != PERSISTENT || h + 1 == horizons) set_length(i, future, h);
            for (Size s = 0; future != PERSISTENT && s < shown.size(); ++s)
                if (shown[s] == static_cast<std::int64_t>(h))
                    std::copy_n(length_.data(), servers_, wire + (s * users + i) * servers_);
            const double slots = static_cast<double>(motion_.ahead[h] - (h > 0 ? motion_.ahead[h - 1] : 0));
            for (Size k = 0; k < servers_; ++k) {
                const double worth = exp(-length_[k] - users_.others(i, k));
                gain_[k] = survival_[h] * worth;
                base_[k] = survival_[h] * (worth * (slots - 1.0) - slots * users_.pressure(i, k)) + value[k];
            }
            best_of(base_.data(), gain_.data(), users_.allowed.row(i).data(), factor_.data(), servers_, best_.data());
            std::ranges::copy(best_, value);
        }
    }

    // Set what is the same in all futures of user i.
    void begin(Size i) {
        decay(lengths_.data(), lengths_.values().size(), users_.move[i], factor_.data());
    }

  private:
    const Motion& motion_;
    const StationMap& map_;
    const MovingUsers& users_;
    const ForecastParams& params_;
    Size servers_;
    Doubles x_, y_, squares_, chance_;         // (M,)
    Doubles length_, base_, gain_, best_;      // (S,)
    Matrix<double> lengths_, factor_;          // (S, S): from column to row
    Doubles survival_;                         // (H,)
    std::vector<std::pair<Size, double>> near_;
    Point low_{INFINITE, INFINITE}, high_{-INFINITE, -INFINITE};

    // Add to the chances of stations to serve a user that is at a place with some chance.
    void spread(const Point& at, double part) {
        squares_of(x_.data(), y_.data(), x_.size(), at, squares_.data());
        const double nearest = std::sqrt(*std::ranges::min_element(squares_));
        const double furthest = nearest + params_.borders * params_.border_m;
        double total = 0.0;
        near_.clear();
        for (Size j = 0; j < squares_.size(); ++j) {
            if (squares_[j] >= furthest * furthest) continue;
            near_.emplace_back(j, exp((nearest - std::sqrt(squares_[j])) / params_.border_m));
            total += near_.back().second;
        }
        for (const auto& [j, weight] : near_) chance_[j] += part * weight / total;
    }

    // Add the chances of stations where user i, with some chance, goes to a place: the nearer, the likelier it keeps its
    // station, as fading and sight change little there.
    void go(Size i, Point to, double part) {
        for (Size c = 0; c < 2; ++c) to[c] = std::min(std::max(to[c], low_[c]), high_[c]);
        const std::int64_t access = users_.access[i];
        const double keeps = access < 0 ? 0.0 : exp(-distance(to, users_.place[i]) / params_.loyalty_m);
        spread(to, part * (1.0 - keeps));
        if (access >= 0) chance_[access] += part * keeps;
    }

    // Set the expected seconds of wire to each server in a future at a horizon.
    void set_length(Size i, Future future, Size h) {
        std::ranges::fill(chance_, 0.0);
        const Point &place = users_.place[i], &velocity = users_.velocity[i];
        const auto user = static_cast<Size>(users_.user[i]);
        if (map_.place.empty() || (future == PERSISTENT && users_.access[i] >= 0)) {
            chance_[std::max<std::int64_t>(users_.access[i], 0)] = 1.0;
        } else if (future == PERSISTENT) {
            spread(place, 1.0);
        } else if (future == CONSTANT) {
            const auto ahead = static_cast<double>(motion_.ahead[h]);
            go(i, {place[0] + ahead * velocity[0], place[1] + ahead * velocity[1]}, 1.0);
        } else {
            const double ring = motion_.error[h] * motion_.pace[user] * std::sqrt(PLACES / (PLACES - 1.0));
            for (const Point& around : AROUND) {
                Point to;
                for (Size c = 0; c < 2; ++c)
                    to[c] = ((place[c] + motion_.factor(h, 0) * velocity[c]) +
                             motion_.factor(h, 1) * (motion_.middle[c] - place[c])) +
                            ring * around[c];
                go(i, to, 1.0 / PLACES);
            }
        }
        std::ranges::fill(length_, 0.0);
        for (Size j = 0; j < chance_.size(); ++j) {
            if (chance_[j] == 0.0) continue;
            const auto wire = map_.to_server.row(j);
            for (Size k = 0; k < servers_; ++k) length_[k] += chance_[j] * wire[k];
        }
        for (double& length : length_) length *= users_.wire[i];
    }
};

}  // namespace

Motion fit_motion(MatrixView<const Point> seen, std::span<const std::int64_t> ahead, double slot_s,
                  const ForecastParams& params) {
    const Size slots = seen.rows(), n = seen.columns(), horizons = ahead.size();
    Motion motion{Integers(ahead.begin(), ahead.end()), Matrix<double>(horizons, 2), Doubles(horizons),
                  Doubles(n, params.least_m_s * slot_s), {}, 1.0};
    double count = 0.0, stayed = 0.0, left = 0.0;
    for (Size i = 0; i < n; ++i) {
        double way = 0.0, steps = 0.0;
        for (Size s = 0; s < slots; ++s) {
            if (!is_known(seen(s, i))) continue;
            count += 1.0;
            for (Size c = 0; c < 2; ++c) motion.middle[c] += seen(s, i)[c];
            if (s + 1 == slots) continue;
            if (is_known(seen(s + 1, i))) {
                way += distance(seen(s + 1, i), seen(s, i));
                steps += 1.0;
            } else {
                left += 1.0;
            }
        }
        stayed += steps;
        if (steps > 0.0) motion.pace[i] += way / steps;
    }
    for (double& middle : motion.middle) middle /= std::max(count, 1.0);
    motion.survival = (1.0 + stayed) / (1.0 + stayed + left);
    for (Size a = 0; a < horizons; ++a) {
        const auto h = static_cast<Size>(ahead[a]);
        const Size ways = slots > h + 1 ? (slots - h - 1) * n : 0;
        const Size stride = std::max<Size>(1, ways / static_cast<Size>(params.samples));
        // Ways from slot s to s + h, with the velocity from s − 1 to s; every `stride`-th of them.
        Products products;
        for (Size q = 0; q < ways; q += stride) {
            const Size s = 1 + q / n, i = q % n;
            const Point &now = seen(s, i), &before = seen(s - 1, i), &then = seen(s + h, i);
            if (!is_known(now) || !is_known(before) || !is_known(then)) continue;
            const double scale = 1.0 / motion.pace[i];
            for (Size c = 0; c < 2; ++c)
                products.add((now[c] - before[c]) * scale, (motion.middle[c] - now[c]) * scale,
                             (then[c] - now[c]) * scale);
        }
        solve(products, static_cast<double>(h), params.prior, motion.factor.row(a).data(), motion.error[a]);
    }
    return motion;
}

Forecast forecast(const Motion& motion, const StationMap& map, const MovingUsers& users,
                  std::span<const std::int64_t> shown, const ForecastParams& params, Cancellation& cancellation) {
    const Size n = users.place.size(), servers = map.between.rows(), each = shown.size() * n * servers;
    Forecast found{Doubles(FUTURES * n * servers), Doubles(2 * each)};
    Forecaster forecaster(motion, map, users, params);
    for (Size i = 0; i < n && !cancellation.requested(); ++i) {
        forecaster.begin(i);
        for (const Future future : {FITTED, CONSTANT, PERSISTENT})
            forecaster.value(i, future, shown, found.value.data() + (future * n + i) * servers,
                             found.wire.data() + (future == CONSTANT ? each : 0));
    }
    return found;
}

}  // namespace dtopt
