// Local search over whole paths: each user in turn takes its best path given all others, which is a shortest path.
//
// What a user does to its company on a cell is known exactly, so the best path through a stay is found over its nodes,
// each worth what the user gets there and what it takes from those who are there.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "dtopt/core/cancellation.hpp"
#include "dtopt/core/random.hpp"
#include "solvers/core/slot_view.hpp"

namespace dtopt {

// A user on a cell: its row, its position there, and the time it takes to move there, s.
struct SlotMember {
    Size row, pos;
    double move;
};

// Return more than what all choices together are worth, which is what breaking a rule costs.
double breach_cost(const SlotView& view);

// Return what users on a cell are worth together; less `breach` and more where that breaks a rule.
double members_value(const SlotView& view, Size k, std::span<const SlotMember> members, double breach);

class SlotPaths {
  public:
    SlotPaths(std::shared_ptr<const SlotView> view, std::uint64_t seed);

    const SlotView& view() const { return *view_; }
    double breach() const { return breach_; }
    // Return a random position of each row.
    Integers random_choice();
    // Return what a choice of a position in each row is worth, without the constant part; far below 0 where it breaks a
    // rule.
    double value(std::span<const std::int64_t> choice);
    // Return what a choice becomes when users take their best paths in random order, until none gains by it.
    Integers improved(Integers choice, std::int64_t sweeps, Cancellation& cancellation);

  private:
    double fill(std::span<const std::int64_t> choice);
    double move_of(Size row) const;
    double cell_value(Size k);
    // Fill `found_` with the best path through a stay given all others, and return what it gains over the present one.
    double best_path(std::span<const Size> stay);
    void take_path(std::span<const Size> stay);
    void remove(Size k, Size row);

    std::shared_ptr<const SlotView> view_;
    Random random_;
    double breach_;
    std::vector<std::vector<Size>> stays_;  // the rows of each
    Integers choice_;                       // (R,)
    std::vector<std::vector<Size>> rows_;   // of each cell: who is there
    Doubles value_;                         // of each cell; NaN where it has to be computed
    std::vector<SlotMember> members_;
    Matrix<double> table_;                  // worth of the best path to each node of a stay
    Matrix<std::int64_t> came_;             // the position before on it
    Integers found_;
};

}  // namespace dtopt
