// The Lagrangian dual of P1 under fixed sharing with whole knapsacks; `solvers.exact.knapsack` has the theory.
#pragma once

#include <cstdint>
#include <span>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/cancellation.hpp"
#include "solvers/core/knapsack_table.hpp"

namespace dtopt {

// How prices are raised: deflected subgradients with Polyak's steps.
struct KnapsackParams {
    std::int64_t slice = 25;    // steps after which progress is measured; the step is halved without any
    std::int64_t halvings = 8;  // of the step before the ascent ends
    double memory = 0.3;        // weight of the direction before
    double least_gain = 1e-7;   // part of the value that counts as progress
};

class KnapsackDual {
  public:
    struct Data {
        Matrix<double> cost;           // (M, N): infinite where the pair is not allowed
        Matrix<std::int32_t> weight;   // (M, N): grains
        Integers room;                 // (M,): grains
        Doubles empty;                 // (M,): what a server costs without users
        std::vector<char> forced;      // (M,): whether the server is open in any case
        double constant = 0.0;
    };

    KnapsackDual(Data data, Doubles prices);

    // Raise the value from the best prices so far towards `target`; return the best value.
    double ascend(double target, const KnapsackParams& params, Cancellation& cancellation);

    // Return lower bounds on the cost with each user on each server, shape (M, N); infinite where that cannot be. Early
    // ends give −∞ for all.
    Matrix<double> pair_bounds(Cancellation& cancellation);

    // Leave out the pairs that are not kept, shape (N, M).
    void keep(MatrixView<const bool> kept);

    Size servers() const { return data_.room.size(); }
    double value() const { return value_; }
    const Doubles& prices() const { return prices_; }
    void set_prices(Doubles prices);

  private:
    void fill(Size server, std::span<const double> prices, KnapsackTable::Reach reach);

    Data data_;
    Doubles prices_;
    double value_;
    Doubles gain_, nothing_;
    KnapsackTable table_;
};

}  // namespace dtopt
