#include "solvers/core/knapsack_table.hpp"

#include <algorithm>
#include <stdexcept>

#include "dtopt/core/hot.hpp"
#include "dtopt/core/sums.hpp"

namespace dtopt {

namespace {

constexpr double NEVER = std::numeric_limits<double>::infinity();

// row[r] = min(stay[r], gain + join[r])
DTOPT_INLINE void least_body(const double* __restrict stay, const double* __restrict join, double gain, Size count,
                             double* __restrict row) {
    for (Size r = 0; r < count; ++r) {
        const double joined = gain + join[r];
        row[r] = joined < stay[r] ? joined : stay[r];
    }
}

DTOPT_HOT(void, least_of, (const double* stay, const double* join, double gain, Size count, double* row),
          least_body, (stay, join, gain, count, row))

// row[r] = min(stay, gain + join[r])
DTOPT_INLINE void least_of_one_body(double stay, const double* __restrict join, double gain, Size count,
                                    double* __restrict row) {
    for (Size r = 0; r < count; ++r) {
        const double joined = gain + join[r];
        row[r] = joined < stay ? joined : stay;
    }
}

DTOPT_HOT(void, least_of_one, (double stay, const double* join, double gain, Size count, double* row),
          least_of_one_body, (stay, join, gain, count, row))

// Return the least first[r] + second[r].
DTOPT_INLINE double least_sum_body(const double* first, const double* second, Size count) {
    double least[LANES];
    for (Size x = 0; x < LANES; ++x) least[x] = NEVER;
    Size r = 0;
    for (; r + LANES <= count; r += LANES) {
        for (Size x = 0; x < LANES; ++x) {
            const double sum = first[r + x] + second[r + x];
            least[x] = sum < least[x] ? sum : least[x];
        }
    }
    for (Size x = 0; r < count; ++r, ++x) {
        const double sum = first[r] + second[r];
        least[x] = sum < least[x] ? sum : least[x];
    }
    return *std::min_element(least, least + LANES);
}

DTOPT_HOT(double, least_sum, (const double* first, const double* second, Size count), least_sum_body,
          (first, second, count))

}  // namespace

Matrix<std::int32_t> whole_grains(const Matrix<std::int64_t>& grains, std::span<const std::int64_t> room) {
    Matrix<std::int32_t> whole(grains.rows(), grains.columns());
    for (Size k = 0; k < grains.rows(); ++k) {
        for (Size i = 0; i < grains.columns(); ++i) {
            if (grains(k, i) < 0) throw std::invalid_argument("grains must not be below 0");
            whole(k, i) = static_cast<std::int32_t>(std::min(grains(k, i), room[k] + 1));
        }
    }
    return whole;
}

void KnapsackTable::fill(const Server& server, std::span<const double> gain, Reach reach) {
    server_ = server;
    gain_.assign(gain.begin(), gain.end());
    const Size n = gain.size(), room = server.last.size() - 1;
    offset_.resize(n + 1);
    first_.assign(n + 1, 0);
    end_.resize(n + 1);
    rest_.resize(n + 1);
    // From above entries are bounded by what the users before can take ...
    Size before = 0;
    for (Size d = 0; d <= n; ++d) {
        end_[d] = std::min(room, before) + 1;
        if (d < n && (reach == Reach::ALL || matters(d))) before += static_cast<Size>(server.grains[d]);
    }
    // ... and from below, where only the room matters, by what is left for all users that gain.
    if (reach == Reach::GAINING && server.shape == LastCost::FLAT) {
        Size left = 0;
        double rest = server.last[0];
        for (Size d = n;; --d) {
            first_[d] = room + 1 > left ? room + 1 - left : 0;
            rest_[d] = rest;
            if (d == 0) break;
            if (!matters(d - 1)) continue;
            left += static_cast<Size>(server.grains[d - 1]);
            rest += gain[d - 1];
        }
    }
    Size total = 0;
    for (Size d = 0; d <= n; ++d)
        if (d == n || matters(d)) total += end_[d] > first_[d] ? end_[d] - first_[d] : 0;
    if (values_.size() < total) values_.resize(total);

    Size position = 0;
    for (Size d = n;; --d) {
        if (d < n && !matters(d)) {
            offset_[d] = offset_[d + 1];
        } else {
            offset_[d] = static_cast<std::ptrdiff_t>(position) - static_cast<std::ptrdiff_t>(first_[d]);
            if (end_[d] > first_[d]) {
                if (d == n)
                    std::copy(server.last.begin() + static_cast<std::ptrdiff_t>(first_[d]),
                              server.last.begin() + static_cast<std::ptrdiff_t>(end_[d]), values_.begin());
                else
                    fill_row(d, position);
                position += end_[d] - first_[d];
            }
        }
        if (d == 0) break;
    }
}

void KnapsackTable::fill_row(Size d, Size position) {
    const Size first = first_[d], end = end_[d], width = server_.last.size();
    const auto grains = static_cast<Size>(server_.grains[d]);
    // Entries of the row after are constant below `stored`; the user fits below `fits`.
    const Size stored = std::min(end, std::max(first, first_[d + 1]));
    const Size fits = std::min(end, std::max(first, width - grains));
    const auto next = [&](Size r) { return values_.data() + offset_[d + 1] + static_cast<std::ptrdiff_t>(r); };
    double* row = values_.data() + position;
    const Size constant = std::min(stored, fits);
    if (constant > first) least_of_one(rest_[d + 1], next(first + grains), gain_[d], constant - first, row);
    std::fill(row + (constant - first), row + (stored - first), rest_[d + 1]);
    if (fits > stored)
        least_of(next(stored), next(stored + grains), gain_[d], fits - stored, row + (stored - first));
    const Size copied = std::max(stored, fits);
    if (end > copied) std::copy_n(next(copied), end - copied, row + (copied - first));
}

std::int64_t KnapsackTable::take(std::span<std::int64_t> count) const {
    std::int64_t taken = 0;
    Size r = 0;
    for (Size d = 0; d < gain_.size(); ++d) {
        if (!matters(d) || !(entry(d, r) < entry(d + 1, r))) continue;
        ++count[d];
        ++taken;
        r += static_cast<Size>(server_.grains[d]);
    }
    return taken;
}

void KnapsackTable::lower_pair_values(std::span<double> with, std::span<double> without) {
    const Size width = server_.last.size();
    // The least reduced cost with which the users before take r grains, and the same with one user more.
    before_.assign(width, NEVER);
    after_.assign(width, NEVER);
    before_[0] = 0.0;
    Size end = 1;
    for (Size d = 0; d < gain_.size(); ++d) {
        const double gain = gain_[d];
        const auto grains = static_cast<Size>(server_.grains[d]);
        const double* next = values_.data() + offset_[d + 1];
        if (gain < NEVER && grains < width) {
            const double rest = least_sum(before_.data(), next + grains, std::min(end, width - grains));
            with[d] = std::min(with[d], gain + rest);
        }
        if (!matters(d)) {
            without[d] = std::min(without[d], value());
            continue;
        }
        without[d] = std::min(without[d], least_sum(before_.data(), next, end));
        end = std::min(width, end + grains);
        std::copy_n(before_.data(), std::min(grains, end), after_.data());
        if (end > grains) least_of(before_.data() + grains, before_.data(), gain, end - grains, after_.data() + grains);
        std::swap(before_, after_);
    }
}

}  // namespace dtopt
