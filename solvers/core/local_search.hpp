// Iterated local search for P1: disturb one place, descend around it, keep the result or undo it.
//
// The cost of an iteration depends on the users near one server, not on how many there are in all. A search is an
// object: start it, descend to a local optimum, close servers, then `advance` in slices and ask for `best_slots()` in
// between.
//
// Who needs only the exact cost and feasibility of associations, or sweeps and exchanges from a given one, takes
// `PlacementState` (placement_state.hpp) and the functions of descent.hpp, as this class does.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "dtopt/core/cancellation.hpp"
#include "dtopt/core/random.hpp"
#include "solvers/core/descent.hpp"
#include "solvers/core/disturbances.hpp"
#include "solvers/core/local_search_params.hpp"
#include "solvers/core/placement_state.hpp"

namespace dtopt {

// Asked after each slice of work whether to end, besides a cancellation; may be empty. Slices are by work, not by time,
// so that a run can be repeated.
using Check = std::function<bool()>;

class LocalSearch {
  public:
    // For each kind of disturbance and each stage of a descent after the first sweep, what the stage may gain.
    using Gains = std::array<std::array<double, 2>, Disturbance::KINDS>;

    // The view must outlive the search.
    LocalSearch(const PlacementView& view, const LocalSearchParams& params, std::uint64_t seed);
    LocalSearch(const LocalSearch&) = delete;

    // Begin from slots, or from users placed in random order, on `closed` servers only where they have no other.
    void start(std::span<const std::int32_t> slots);
    void start_placed(std::span<const bool> closed);
    // Begin iterations at these servers, at those that are listed more often more often.
    void focus(std::vector<std::int32_t> servers) { disturber_.focus(std::move(servers)); }
    // From now on, walk through associations that break constraints too, their weights growing while they do.
    void oscillate();

    // Shift all users to their best servers until that no longer helps.
    void descend(Cancellation& cancellation, const Check& check = {});
    // Shift and swap all users until that hardly helps any more.
    void polish(Cancellation& cancellation, const Check& check = {});
    // Close servers, those first whose closing gains most, until none does.
    void close_servers(Cancellation& cancellation, const Check& check = {});
    // Do iterations.
    void advance(std::int64_t iterations, Cancellation& cancellation);
    // Do an iteration that looks far around and always descends by shifts, by swaps where that comes near a gain. For
    // large problems: what a server gains by being opened shows only after users have made room for each other over
    // some servers in all directions.
    void advance_widely(Cancellation& cancellation);

    // The best feasible association so far, the one at hand where none was, and its cost, infinite then.
    std::vector<std::int32_t> best_slots() const { return state_.slots_before(); }
    double best_cost() const { return best_cost_; }
    std::int64_t iterations() const { return iterations_; }
    std::int64_t improved_at() const { return improved_at_; }
    const PlacementState& state() const { return state_; }
    const LocalSearchParams& params() const { return params_; }
    const Gains& gains() const { return gains_; }

    // Whether the regions of iterations may be all users, and every move may be tried.
    bool is_small() const { return users_ <= params_.region_users; }
    // Whether `oscillate` may help: where parts of the CPU must fit, in small problems.
    bool can_oscillate() const { return is_small() && state_.view().has_parts(); }
    // Iterations of a slice, far below a tenth of a second; by sizes alone, so that runs can be repeated.
    std::int64_t slice_iterations() const;
    // Open servers around one that an iteration looks at, and a wide one: fewer where each has very many users.
    std::int64_t reach() const;
    std::int64_t wide_reach() const;
    // Whether an iteration looks at much less around a server than a wide one.
    bool looks_near() const { return 2 * reach() <= wide_reach(); }

  private:
    const LocalSearchParams params_;
    PlacementState state_;
    Random random_;
    Disturber disturber_;
    std::int64_t users_, servers_, partners_, passes_;
    double best_cost_ = std::numeric_limits<double>::infinity();
    double scale_ = 0.0;      // the cost of the start
    double threshold_ = 0.0;  // of acceptance, above the best cost
    Gains gains_{};
    bool oscillates_ = false;
    std::int64_t iterations_ = 0, improved_at_ = 0;

    double worth() const;
    double few_servers() const;
    void commit();
    // Make a disturbance (drawn, if none is given) and descend by stages up to `last`; keep what is good if asked to,
    // and undo the rest. Return the change of cost and excess, infinite where nothing came of it.
    double iterate(const std::optional<Disturbance>& given, std::int64_t reach, Stage last, bool keep,
                   Cancellation& cancellation);
};

}  // namespace dtopt
