#include "solvers/core/set_descent.hpp"

#include <algorithm>
#include <cmath>

namespace dtopt {

namespace {

constexpr double INFINITE = std::numeric_limits<double>::infinity();
// Weight of a user for whom a set has no room, in units of the cost of a user at its most costly server.
constexpr double LEFT_OUT = 2.0;
// Moves must gain more than this part of the users' cost.
constexpr double LEAST_GAIN = 1e-12;

}  // namespace

SetDescent::SetDescent(const PlacementView& view, std::int64_t cycled)
    : view_(view),
      size_(view.size),
      parts_(view.data == PairData::FITTING || view.data == PairData::CLAMPED),
      cycled_(static_cast<Size>(cycled)),
      place_(view.servers()) {}

// Take over the costs of a set, and the association as far as it is there.
void SetDescent::choose(std::span<const std::int64_t> servers, std::span<const std::int64_t> association) {
    const Size n = size_.size();
    width_ = servers.size();
    const auto none = static_cast<std::int32_t>(width_);
    cost_ = Matrix<double>(n, width_);
    if (parts_) part_ = Matrix<double>(n, width_);
    cpu_.resize(width_);
    inverse_.resize(width_);
    square_.assign(width_, 0.0);
    opening_.resize(width_);
    capacity_.resize(width_);
    joining_.resize(width_);
    least_back_ = Matrix<double>(width_, width_);
    for (Doubles* room : {&price_, &toward_, &back_}) room->resize(width_);
    std::fill(place_.begin(), place_.end(), none);
    for (Size e = 0; e < width_; ++e) {
        const auto k = static_cast<Size>(servers[e]);
        cpu_[e] = view_.cpu[k];
        inverse_[e] = 1.0 / view_.cpu[k];
        if (view_.sharing == Sharing::OPTIMAL) square_[e] = inverse_[e];
        opening_[e] = view_.opening[k];
        capacity_[e] = view_.capacity[k];
        place_[k] = static_cast<std::int32_t>(e);
    }
    now_.slot.assign(n, none);
    now_.load.assign(width_, 0.0);
    now_.used.assign(width_, 0.0);
    now_.count.assign(width_, 0);
    awake_.assign(n, 1);
    for (Size i = 0; i < n; ++i) {
        const double* from = view_.cost.row(i).data();
        double* to = cost_.row(i).data();
        for (Size e = 0; e < width_; ++e) to[e] = from[servers[e]];
        if (parts_)
            for (Size e = 0; e < width_; ++e) part_(i, e) = view_.more(i, static_cast<Size>(servers[e]));
        if (association[i] < 0) continue;
        now_.slot[i] = place_[static_cast<Size>(association[i])];
        if (now_.slot[i] != none) add(i, static_cast<Size>(now_.slot[i]), 1);
    }
}

SetDescent::Joining SetDescent::joining(Size h, bool full) const {
    if (full) return {INFINITE, 0.0};
    if (view_.sharing == Sharing::OPTIMAL) return {0.0, 2.0 * now_.load[h] * inverse_[h]};
    if (view_.sharing == Sharing::EQUAL) return {now_.load[h] * inverse_[h], (now_.count[h] + 1) * inverse_[h]};
    return {0.0, 0.0};
}

// What a unit of size costs at a server; a swap changes at least what both users change at these prices.
double SetDescent::load_price(Size h) const {
    if (view_.sharing == Sharing::OPTIMAL) return 2.0 * now_.load[h] * inverse_[h];
    if (view_.sharing == Sharing::EQUAL) return now_.count[h] * inverse_[h];
    return 0.0;
}

// Add a user to the sums of a server, or take it away (times −1).
void SetDescent::add(Size i, Size h, std::int32_t times) {
    now_.load[h] += times * size_[i];
    now_.count[h] += times;
    if (parts_) now_.used[h] += times * part_(i, h);
}

// Send each user that is awake to its best server, again and again; return the cost of the most costly of these moves.
double SetDescent::shift_all(std::int64_t sweeps) {
    const Size n = size_.size(), width = width_;
    const auto none = static_cast<std::int32_t>(width);
    double most = 0.0;
    Size still = 0;  // users in a row that stay
    for (Size h = 0; h < width; ++h) joining_[h] = joining(h, now_.count[h] >= capacity_[h]);
    for (std::int64_t sweep = 0; sweep < sweeps; ++sweep)
        for (Size i = 0; i < n; ++i) {
            if (++still > n) return most;
            if (!awake_[i]) continue;
            const double size = size_[i];
            const std::int32_t before = now_.slot[i];
            if (before != none) {
                const auto k = static_cast<Size>(before);
                add(i, k, -1);
                joining_[k] = joining(k, false);
            }
            const double *cost = cost_.row(i).data(), *part = parts_ ? part_.row(i).data() : nullptr;
            double best = INFINITE;
            Size target = width;
            for (Size h = 0; h < width; ++h) {
                const double change =
                    cost[h] + joining_[h].first + size * (joining_[h].second + size * square_[h]);
                if (change < best && (part == nullptr || now_.used[h] + part[h] <= FULL)) {
                    best = change;
                    target = h;
                }
            }
            if (target != width) {
                most = std::max(most, best);
                add(i, target, 1);
                joining_[target] = joining(target, now_.count[target] >= capacity_[target]);
            }
            now_.slot[i] = static_cast<std::int32_t>(target);
            if (now_.slot[i] != before) still = 0;
        }
    return most;
}

// Swap users that are awake where that gains more than `least`, and let the others sleep; return how many.
//
// A swap changes at least what both users change at prices of loads. The least of that over the users of each server,
// as they go to the server of a user, says of the server's other users whether any swap can gain.
std::int64_t SetDescent::swap_all(double least) {
    const Size n = size_.size(), width = width_;
    std::int64_t swaps = 0;
    // Where few are awake the bounds would hardly be used again.
    const bool bounds = std::count(awake_.begin(), awake_.end(), 1) > static_cast<std::ptrdiff_t>(2 * width);
    known_.assign(width, -1);
    changed_.assign(width, 0);
    for (Size h = 0; h < width; ++h) price_[h] = load_price(h);
    const auto set_toward = [&](Size i, Size k) {
        for (Size h = 0; h < width; ++h)
            toward_[h] = cost_(i, h) - cost_(i, k) + size_[i] * (price_[h] - price_[k]);
    };
    for (Size i = 0; i < n; ++i) {
        auto k = static_cast<Size>(now_.slot[i]);
        if (!awake_[i] || k == width) continue;
        awake_[i] = 0;
        set_toward(i, k);
        bool may_gain = false;
        for (Size h = 0; h < width && !may_gain; ++h)
            may_gain = h != k && (known_[k] < changed_[h] || known_[k] < changed_[k] ||
                                  toward_[h] + least_back_(k, h) < -least);
        if (!may_gain) continue;
        const Size first = k;
        const std::int64_t before = swaps;
        if (bounds) back_.assign(width, INFINITE);
        for (Size j = 0; j < n; ++j) {
            const auto h = static_cast<Size>(now_.slot[j]);
            if (h == k || h == width) continue;
            const double change_back = cost_(j, k) - cost_(j, h) + size_[j] * (price_[k] - price_[h]);
            if (bounds) back_[h] = std::min(back_[h], change_back);
            double change = toward_[h] + change_back;
            if (!(change < -least)) continue;
            const double step = size_[j] - size_[i];
            change += step * step * (square_[k] + square_[h]);
            if (!(change < -least)) continue;
            if (parts_) {
                const double there = now_.used[h] - part_(j, h) + part_(i, h);
                const double here = now_.used[k] - part_(i, k) + part_(j, k);
                if (!fits(there) || !fits(here)) continue;
                now_.used[h] = there;
                now_.used[k] = here;
            }
            now_.load[k] += step;
            now_.load[h] -= step;
            std::swap(now_.slot[i], now_.slot[j]);
            awake_[i] = awake_[j] = 1;
            ++swaps;
            for (const Size x : {k, h}) {
                changed_[x] = swaps;
                price_[x] = load_price(x);
            }
            k = h;
            set_toward(i, k);
        }
        if (bounds && swaps == before) {
            known_[first] = swaps;
            std::copy(back_.begin(), back_.end(), least_back_.row(first).begin());
        }
    }
    return swaps;
}

// Shift and swap those awake until nothing helps; return the cost of the most costly of the shifts.
double SetDescent::settle(const DescentEffort& effort) {
    double most = shift_all(effort.shift_sweeps);
    for (std::int64_t sweep = 0; sweep < effort.swap_sweeps; ++sweep) {
        if (swap_all(LEAST_GAIN * static_cast<double>(size_.size()) * most) == 0) break;
        most = std::max(most, shift_all(effort.shift_sweeps));
    }
    return most;
}

// List for each pair of servers the users that go from one to the other at least change, prices of loads included.
void SetDescent::list_movers() {
    for (Size h = 0; h < width_; ++h) price_[h] = load_price(h);
    movers_.assign(width_ * width_ * cycled_, {INFINITE, 0});
    for (Size i = 0; i < size_.size(); ++i) {
        const auto k = static_cast<Size>(now_.slot[i]);
        if (k == width_) continue;
        for (Size h = 0; h < width_; ++h) {
            Mover* list = &movers_[(k * width_ + h) * cycled_];
            const double change = cost_(i, h) - cost_(i, k) + size_[i] * (price_[h] - price_[k]);
            if (h == k || !(change < list[cycled_ - 1].change)) continue;
            Size at = cycled_ - 1;
            for (; at > 0 && change < list[at - 1].change; --at) list[at] = list[at - 1];
            list[at] = {change, static_cast<std::int32_t>(i)};
        }
    }
}

// Let three users of three servers follow each other around if that gains more than `least`; wake them.
//
// What prices of loads leave out is never negative, so they bound the gain.
bool SetDescent::cycle(double least) {
    list_movers();
    const auto first = [&](Size k, Size h) { return movers_[(k * width_ + h) * cycled_].change; };
    for (Size a = 0; a < width_; ++a)
        for (Size b = a + 1; b < width_; ++b)
            for (Size c = a + 1; c < width_; ++c)
                if (c != b && first(a, b) + first(b, c) + first(c, a) < -least && follow(a, b, c, least)) return true;
    return false;
}

// Let a user of a go to b, one of b to c and one of c to a if that gains more than `least`.
bool SetDescent::follow(Size a, Size b, Size c, double least) {
    const Mover *to_b = &movers_[(a * width_ + b) * cycled_], *to_c = &movers_[(b * width_ + c) * cycled_],
                *to_a = &movers_[(c * width_ + a) * cycled_];
    for (Size x = 0; x < cycled_ && to_b[x].change + to_c[0].change + to_a[0].change < -least; ++x)
        for (Size y = 0; y < cycled_ && to_b[x].change + to_c[y].change + to_a[0].change < -least; ++y)
            for (Size z = 0; z < cycled_; ++z) {
                double change = to_b[x].change + to_c[y].change + to_a[z].change;
                if (change >= -least) break;
                const auto i = static_cast<Size>(to_b[x].user), j = static_cast<Size>(to_c[y].user),
                           g = static_cast<Size>(to_a[z].user);
                const double more_a = size_[g] - size_[i], more_b = size_[i] - size_[j], more_c = size_[j] - size_[g];
                change += more_a * more_a * square_[a] + more_b * more_b * square_[b] + more_c * more_c * square_[c];
                if (change >= -least) continue;
                if (parts_) {
                    const double at_a = now_.used[a] - part_(i, a) + part_(g, a);
                    const double at_b = now_.used[b] - part_(j, b) + part_(i, b);
                    const double at_c = now_.used[c] - part_(g, c) + part_(j, c);
                    if (!fits(at_a) || !fits(at_b) || !fits(at_c)) continue;
                    now_.used[a] = at_a;
                    now_.used[b] = at_b;
                    now_.used[c] = at_c;
                }
                now_.load[a] += more_a;
                now_.load[b] += more_b;
                now_.load[c] += more_c;
                now_.slot[i] = static_cast<std::int32_t>(b);
                now_.slot[j] = static_cast<std::int32_t>(c);
                now_.slot[g] = static_cast<std::int32_t>(a);
                awake_[i] = awake_[j] = awake_[g] = 1;
                return true;
            }
    return false;
}

// Swap two users drawn at random, or shift the first where there is room, and wake them.
void SetDescent::kick(Random& random) {
    const auto n = static_cast<std::int64_t>(size_.size());
    const auto i = static_cast<Size>(random.below(n)), j = static_cast<Size>(random.below(n));
    const auto k = static_cast<Size>(now_.slot[i]), h = static_cast<Size>(now_.slot[j]);
    const bool alone = now_.count[h] < capacity_[h] && random.below(2) == 0;
    if (k == h || !(cost_(i, h) < INFINITE) || !(alone || cost_(j, k) < INFINITE)) return;
    if (parts_) {
        const double there = now_.used[h] + part_(i, h) - (alone ? 0.0 : part_(j, h));
        const double here = now_.used[k] - part_(i, k) + (alone ? 0.0 : part_(j, k));
        if (!fits(there) || !fits(here)) return;
        now_.used[h] = there;
        now_.used[k] = here;
    }
    const double step = size_[i] - (alone ? 0.0 : size_[j]);
    now_.load[h] += step;
    now_.load[k] -= step;
    now_.slot[i] = static_cast<std::int32_t>(h);
    awake_[i] = awake_[j] = 1;
    if (alone) {
        ++now_.count[h];
        --now_.count[k];
    } else {
        now_.slot[j] = static_cast<std::int32_t>(k);
    }
}

// Return what users and open servers cost, with a penalty for those who found no room.
double SetDescent::total(double left_out) const {
    double sum = 0.0;
    for (Size i = 0; i < size_.size(); ++i) {
        const auto k = static_cast<Size>(now_.slot[i]);
        sum += k == width_ ? left_out : cost_(i, k);
    }
    for (Size e = 0; e < width_; ++e)
        if (now_.count[e] > 0) sum += compute_cost(view_.sharing, now_.load[e], now_.count[e], cpu_[e]) + opening_[e];
    return sum;
}

double SetDescent::descend(std::span<const std::int64_t> servers, std::span<std::int64_t> association,
                           const DescentEffort& effort, Cancellation& cancellation) {
    const Size n = size_.size();
    choose(servers, association);
    double most = settle(effort);
    const double least = LEAST_GAIN * static_cast<double>(n) * most;
    for (std::int64_t sweep = 0; sweep < effort.swap_sweeps; ++sweep) {
        std::fill(awake_.begin(), awake_.end(), 0);
        if (cancellation.requested() || !cycle(least)) break;
        settle(effort);
    }
    const double left_out =
        LEFT_OUT * (most + (width_ ? *std::max_element(opening_.begin(), opening_.end()) : 0.0));
    double value = total(left_out);
    const auto none = static_cast<std::int32_t>(width_);
    const bool all = std::find(now_.slot.begin(), now_.slot.end(), none) == now_.slot.end();
    if (n > 0 && width_ > 1 && value < effort.hopeless && all && effort.kicks > 0) {
        Random random(n);
        Placed before = now_;
        for (std::int64_t time = 0; time < effort.kicks && !cancellation.requested(); ++time) {
            std::fill(awake_.begin(), awake_.end(), 0);
            const std::int64_t times = 1 + random.below(3);
            for (std::int64_t x = 0; x < times; ++x) kick(random);
            settle(effort);
            const double then = total(left_out);
            if (then <= value) {
                value = then;
                before = now_;
            } else {
                now_ = before;
            }
        }
    }
    for (Size i = 0; i < n; ++i)
        association[i] = static_cast<Size>(now_.slot[i]) == width_ ? -1 : servers[static_cast<Size>(now_.slot[i])];
    return value;
}

}  // namespace dtopt
