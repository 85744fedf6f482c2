#include "solvers/core/set_search.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "dtopt/core/hot.hpp"
#include "dtopt/core/sums.hpp"

namespace dtopt {

namespace {

constexpr double INFINITE = std::numeric_limits<double>::infinity();
// A set must gain more than this part of the cost.
constexpr double LEAST_GAIN = 1e-12;
// Sets of at most this many servers have a number each.
constexpr Size MOST_NUMBERED = 30;

// Σ min(a_i, b_i)
DTOPT_INLINE double least_sum_body(const double* a, const double* b, Size size) {
    return lane_sum(0, size, [&](Size i) { return a[i] < b[i] ? a[i] : b[i]; });
}

DTOPT_HOT(double, least_sum, (const double* a, const double* b, Size size), least_sum_body, (a, b, size))

DTOPT_INLINE void least_body(double* least, const double* a, const double* b, Size size) {
    for (Size i = 0; i < size; ++i) least[i] = a[i] < b[i] ? a[i] : b[i];
}

DTOPT_HOT(void, write_least, (double* least, const double* a, const double* b, Size size), least_body,
          (least, a, b, size))

// Return what is above a value by a part of it, infinite where it is.
double above(double value, double part) { return value < INFINITE ? value + part * std::abs(value) : value; }

}  // namespace

OpenSetSearch::OpenSetSearch(const PlacementView& view, const SetSearchParams& params)
    : view_(view),
      params_(params),
      descent_(view, params.cycled),
      columns_(view.servers(), view.users()),
      whole_(lane_sum(0, view.users(), [&](Size i) { return view.size[i]; })) {
    for (Size i = 0; i < view.users(); ++i)
        for (Size k = 0; k < view.servers(); ++k) columns_(k, i) = view.cost(i, k);
}

void OpenSetSearch::Shortlist::take(double bound, Integers servers) {
    if (is_full())
        sets[worst] = {bound, std::move(servers)};
    else
        sets.push_back({bound, std::move(servers)});
    worst = 0;
    for (Size e = 1; e < sets.size(); ++e)
        if (sets[e].bound > sets[worst].bound) worst = e;
}

OpenSetSearch::Sums OpenSetSearch::changed(Sums sums, std::int64_t server, std::int64_t times) const {
    const auto k = static_cast<Size>(server);
    sums.count += times;
    sums.places += times * std::min(view_.capacity[k], static_cast<std::int64_t>(view_.users()));
    sums.power += static_cast<double>(times) * view_.cpu[k];
    sums.opening += static_cast<double>(times) * view_.opening[k];
    return sums;
}

OpenSetSearch::Sums OpenSetSearch::sums_of(std::span<const std::int64_t> servers) const {
    Sums sums;
    for (const std::int64_t k : servers) sums = changed(sums, k, 1);
    return sums;
}

// Return what a set costs at least beside its users' pairs.
double OpenSetSearch::rest(const Sums& sums) const {
    const auto n = static_cast<std::int64_t>(view_.users());
    if (sums.count == 0 || sums.places < n) return INFINITE;
    return sums.opening + compute_cost(view_.sharing, whole_, n, sums.power);
}

double OpenSetSearch::bound(std::span<const std::int64_t> servers) {
    const double others = rest(sums_of(servers));
    if (!(others < INFINITE)) return INFINITE;
    Doubles least(view_.users(), INFINITE);
    for (const std::int64_t k : servers) write_least(least.data(), least.data(), column(k), least.size());
    return others + least_sum(least.data(), least.data(), least.size());
}

Valued OpenSetSearch::descend(std::span<const std::int64_t> servers, std::span<const std::int64_t> start,
                          const DescentEffort& effort, Cancellation& cancellation) {
    Valued result{INFINITE, Integers(start.begin(), start.end())};
    if (!servers.empty()) result.cost = descent_.descend(servers, result.association, effort, cancellation);
    return result;
}

// Shortlist of all sets there are; return how many they are.
std::int64_t OpenSetSearch::look_at_all(std::span<const std::int64_t> usable, Shortlist& found,
                                    Cancellation& cancellation) {
    // A set is a number whose bit e is server K − 1 − e. Row d of `least` is over the first d servers of the set looked
    // at last, so that numbers with the same first bits share it.
    const Size n = view_.users(), count = usable.size();
    Matrix<double> least(count + 1, n, INFINITE);
    const auto row = [&](Size d) { return least.row(d).data(); };
    for (Size d = 0; d < count; ++d) write_least(row(d + 1), row(d), column(usable[d]), n);
    const double floor = least_sum(row(count), row(count), n);
    const std::uint64_t sets = std::uint64_t{1} << count;
    std::uint64_t last = sets - 1;
    Poll poll(cancellation);
    for (std::uint64_t code = 1; code < sets && !poll(); ++code) {
        if (std::popcount(code) > view_.max_open) continue;
        const auto has = [&](Size d) { return (code >> (count - 1 - d) & 1) != 0; };
        Sums sums;
        for (Size d = 0; d < count; ++d)
            if (has(d)) sums = changed(sums, usable[d], 1);
        const double others = rest(sums);
        if (!(floor + others < found.limit())) continue;
        for (Size d = count - static_cast<Size>(std::bit_width(code ^ last)); d < count; ++d)
            write_least(row(d + 1), row(d), has(d) ? column(usable[d]) : row(d), n);
        last = code;
        const double bound = others + least_sum(row(count), row(count), n);
        if (!(bound < found.limit())) continue;
        Integers servers;
        for (Size d = 0; d < count; ++d)
            if (has(d)) servers.push_back(usable[d]);
        found.take(bound, std::move(servers));
    }
    return static_cast<std::int64_t>(sets);
}

// Shortlist the sets near one, with a limit on those looked at; return how many were.
std::int64_t OpenSetSearch::look_around(std::span<const std::int64_t> usable, const Integers& at, Reach reach,
                                    std::int64_t most, Shortlist& found, Cancellation& cancellation) {
    const Size n = view_.users(), here = at.size();
    const std::int64_t limit = std::max(view_.max_open, static_cast<std::int64_t>(here) - 1);
    Integers other;
    for (const std::int64_t k : usable)
        if (std::find(at.begin(), at.end(), k) == at.end()) other.push_back(k);
    // Least costs over the first servers of the set, and over those from one on; `without`: over the first less one.
    Matrix<double> before(here + 1, n, INFINITE), after(here + 1, n, INFINITE);
    for (Size a = 0; a < here; ++a) write_least(before.row(a + 1).data(), before.row(a).data(), column(at[a]), n);
    for (Size a = here; a-- > 0;) write_least(after.row(a).data(), after.row(a + 1).data(), column(at[a]), n);
    const double* all = before.row(here).data();
    Doubles left(n), without(n), more(n);
    std::copy_n(all, n, more.begin());
    for (const std::int64_t k : other) write_least(more.data(), more.data(), column(k), n);
    const double floor = least_sum(more.data(), more.data(), n);

    std::int64_t looks = 0;
    bool ended = false;
    Poll poll(cancellation);
    struct Change {
        Size closed[2];
        std::int64_t opened[2];
    };
    const Size none = here;
    // Look at a set whose users cost least[i] or column[i].
    const auto look = [&](const double* least, const double* column, const Sums& sums, const Change& change) {
        if (sums.count > limit || ended) return;
        ended = looks >= most || poll();
        if (ended) return;
        ++looks;
        const double others = rest(sums);
        if (!(floor + others < found.limit())) return;
        const double bound = others + least_sum(least, column, n);
        if (!(bound < found.limit())) return;
        Integers servers;
        for (Size a = 0; a < here; ++a)
            if (a != change.closed[0] && a != change.closed[1]) servers.push_back(at[a]);
        for (const std::int64_t k : change.opened)
            if (k >= 0) servers.push_back(k);
        std::sort(servers.begin(), servers.end());
        found.take(bound, std::move(servers));
    };
    const auto open_one = [&](const double* least, const Sums& sums, Size a, Size c) {
        for (const std::int64_t b : other) look(least, column(b), changed(sums, b, 1), {{a, c}, {b, -1}});
    };
    const auto open_two = [&](const double* least, const Sums& sums, Size a) {
        for (Size b = 0; b < other.size() && !ended; ++b) {
            write_least(more.data(), least, column(other[b]), n);
            const Sums one = changed(sums, other[b], 1);
            for (Size d = b + 1; d < other.size(); ++d)
                look(more.data(), column(other[d]), changed(one, other[d], 1), {{a, none}, {other[b], other[d]}});
        }
    };
    const Sums now = sums_of(at);
    open_one(all, now, none, none);
    const auto close_each = [&](auto visit) {
        for (Size a = 0; a < here && !ended; ++a) {
            write_least(left.data(), before.row(a).data(), after.row(a + 1).data(), n);
            visit(a, changed(now, at[a], -1));
        }
    };
    close_each([&](Size a, const Sums& sums) {
        look(left.data(), left.data(), sums, {{a, none}, {-1, -1}});
        if (reach != Reach::ONE) open_one(left.data(), sums, a, none);
    });
    if (reach != Reach::THREE) return looks;
    open_two(all, now, none);
    close_each([&](Size a, const Sums& sums) {
        open_two(left.data(), sums, a);
        std::copy_n(before.row(a).data(), n, without.begin());
        for (Size c = a + 1; c < here && !ended; ++c) {
            write_least(left.data(), without.data(), after.row(c + 1).data(), n);
            const Sums two = changed(sums, at[c], -1);
            look(left.data(), left.data(), two, {{a, c}, {-1, -1}});
            open_one(left.data(), two, a, c);
            write_least(without.data(), without.data(), column(at[c]), n);
        }
    });
    return looks;
}

// Return where closing, opening and exchanging servers lead to while the bound falls; not more open than allowed.
OpenSetSearch::Candidate OpenSetSearch::go_down(std::span<const std::int64_t> usable, Integers at, std::int64_t most,
                                        std::int64_t& looked, Cancellation& cancellation) {
    const auto step = [&](Reach reach, double cutoff) {
        if (looked >= most || cancellation.requested()) return INFINITE;
        Shortlist found{1, cutoff};
        looked += look_around(usable, at, reach, most - looked, found, cancellation);
        if (found.sets.empty()) return INFINITE;
        at = std::move(found.sets[0].servers);
        return found.sets[0].bound;
    };
    while (static_cast<std::int64_t>(at.size()) > view_.max_open && step(Reach::ONE, INFINITE) < INFINITE) {
    }
    double now = bound(at);
    for (const Reach reach : {Reach::ONE, Reach::EXCHANGE})
        for (double then = step(reach, now); then < INFINITE; then = step(reach, now)) now = then;
    return {now, std::move(at)};
}

// Return which servers have users.
Integers OpenSetSearch::servers_of(std::span<const std::int64_t> association) const {
    std::vector<char> is_open(view_.servers(), 0);
    for (const std::int64_t k : association)
        if (k >= 0) is_open[static_cast<Size>(k)] = 1;
    Integers servers;
    for (Size k = 0; k < is_open.size(); ++k)
        if (is_open[k]) servers.push_back(static_cast<std::int64_t>(k));
    return servers;
}

Valued OpenSetSearch::improve(std::span<const std::int64_t> usable, std::span<const std::int64_t> start,
                          Cancellation& cancellation) {
    const SetSearchParams& p = params_;
    const std::int64_t n = std::max<std::int64_t>(1, static_cast<std::int64_t>(view_.users()));
    const std::int64_t most_looks = std::min(p.looks, p.looked_users / n);
    const std::int64_t most_values = std::min(p.values, std::max(p.least_values, p.valued_pairs / (n * n)));
    const double margin = view_.sharing == Sharing::EQUAL ? p.equal_margin : 0.0;
    const auto is_allowed = [&](const Integers& servers) {
        return static_cast<std::int64_t>(servers.size()) <= view_.max_open;
    };
    Integers at = servers_of(start);
    Valued best{INFINITE, Integers(start.begin(), start.end())};
    if (is_allowed(at)) best = descend(at, start, {p.shift_sweeps, 0}, cancellation);
    std::int64_t looked = 0, valued = 1;
    std::vector<Candidate> sets{go_down(usable, std::move(at), most_looks, looked, cancellation)};
    bool few = usable.size() <= std::min(static_cast<Size>(p.few_servers), MOST_NUMBERED), around = false;
    bool full = false;
    while (true) {
        bool gained = false, left = full;
        std::stable_sort(sets.begin(), sets.end(),
                         [](const Candidate& a, const Candidate& b) { return a.bound < b.bound; });
        for (const Candidate& set : sets) {
            if (!(set.bound < above(best.cost, margin))) {
                left = false;
                break;
            }
            if (valued >= most_values || cancellation.requested()) break;
            if (!is_allowed(set.servers)) continue;
            ++valued;
            const DescentEffort effort{p.shift_sweeps, p.swap_sweeps, p.kicks, above(best.cost, p.hopeless)};
            Valued now = descend(set.servers, best.association, effort, cancellation);
            if (now.cost < best.cost - LEAST_GAIN * std::abs(now.cost)) {
                best = std::move(now);
                gained = true;
            }
        }
        // Where all sets were looked at, those around the best add nothing unless too many seemed worth a descent.
        if ((around && !(few ? left : gained)) || looked >= most_looks || valued >= most_values ||
            cancellation.requested())
            break;
        Shortlist found{static_cast<Size>(p.batch), above(best.cost, margin)};
        if (few && !around) {
            looked += look_at_all(usable, found, cancellation);
        } else {
            few = false;
            looked += look_around(usable, servers_of(best.association), Reach::THREE, most_looks - looked, found,
                                  cancellation);
        }
        around = true;
        full = found.is_full();
        sets = std::move(found.sets);
    }
    const DescentEffort effort{p.shift_sweeps, p.swap_sweeps, p.last_kicks};
    Valued last = descend(servers_of(best.association), best.association, effort, cancellation);
    return last.cost < best.cost ? last : best;
}

}  // namespace dtopt
