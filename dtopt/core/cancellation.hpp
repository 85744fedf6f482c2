// The one way to end a long computation: a time limit, another thread, or Ctrl-C.
#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace dtopt {

// Runs Python's signal handlers where this is the main thread; throws what they raise. Defined by the bindings.
void handle_signals();

class Cancellation {
    using Clock = std::chrono::steady_clock;

  public:
    // How often the clock and signals are looked at.
    static constexpr std::int64_t PERIOD_NS = 10'000'000;

    // `seconds` from now the computation is to end; infinity for never.
    explicit Cancellation(double seconds = INFINITY) : end_(end_of(seconds)), next_(now() + PERIOD_NS) {}

    void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

    // Return whether the computation is to end. Calls cost a read of the clock, some 20 ns: ask once in a microsecond
    // of work at most. Throws where Ctrl-C ends it.
    bool requested() {
        if (cancelled_.load(std::memory_order_relaxed)) return true;
        const std::int64_t time = now();
        if (time >= end_) {
            cancel();
            return true;
        }
        if (time >= next_.load(std::memory_order_relaxed)) {
            next_.store(time + PERIOD_NS, std::memory_order_relaxed);
            handle_signals();
        }
        return false;
    }

  private:
    static std::int64_t now() {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
    }
    static std::int64_t end_of(double seconds) {
        if (!(seconds < 1e9)) return INT64_MAX;
        return now() + static_cast<std::int64_t>(1e9 * (seconds > 0.0 ? seconds : 0.0));
    }

    std::atomic<bool> cancelled_{false};
    std::int64_t end_;
    std::atomic<std::int64_t> next_;
};

// Asks a cancellation once in `EVERY` calls, for loops of less than a microsecond.
template <unsigned EVERY = 64>
class Poll {
  public:
    explicit Poll(Cancellation& cancellation) : cancellation_(cancellation) {}
    bool operator()() { return ++calls_ % EVERY == 0 ? cancellation_.requested() : false; }

  private:
    Cancellation& cancellation_;
    unsigned calls_ = 0;
};

}  // namespace dtopt
