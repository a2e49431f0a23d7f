// Drives the verilated machine: loads a layer, clocks it until it is done, reads it out. One call a layer, by a C ABI.
// N_PE and REG_BITS come from the compiler's command line, ELEMENTS(X), which is X(0), X(1), ..., from elements.inc.
#include <cstdint>
#include <cstring>
#include <ctime>
#include <type_traits>

#include "Veie.h"
#include "Veie__Syms.h"
#include "elements.inc"

namespace {

#define ELEMENT(k) __PVT__eie__DOT__pes__BRA__##k##__KET____DOT__element
#define ELEMENT_OF_ROOT(k) root->ELEMENT(k)
using Element = std::remove_pointer_t<decltype(Veie___024root::ELEMENT(0))>;

enum Target { POINTERS, SPMAT, CODEBOOK, INPUTS, BIAS };

constexpr int COUNTERS = 14;

struct Layer {
    int64_t n_inputs, n_rows, n_codes, shift, has_bias, bias_value, relu, chained, limit, max_broadcasts;
    const int64_t *inputs, *codebook, *bias;  // bias: nullptr, or the start of each accumulator, in stored order
    int64_t *sums;                            // (n_rows,), in stored order
    int64_t *scan;                            // broadcasts, cycles, stalls, bubbles
    int64_t *counts;                          // (COUNTERS, N_PE), in the order of the report of a PE
    int64_t *columns, *pushes;                // (max_broadcasts,)
    int64_t *pops, *entries;                  // (N_PE, max_broadcasts)
    int64_t nanoseconds;                      // processor time of the cycles, without loading and reading out
};

struct Machine {
    VerilatedContext context;
    Veie top{&context};
    Element *elements[N_PE];
};

// What the monitors of the machine that runs on this thread report to.
thread_local Layer *layer;
thread_local int64_t pushed, popped[N_PE];
thread_local bool overflowed;

int64_t processor_time() {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void clock(Veie &top) {
    top.clk = 1;
    top.eval();
    top.clk = 0;
    top.eval();
}

template <class Port> void put(Port &port, const uint32_t *words, int n) {
    port = Port(words[0] | (n > 1 ? uint64_t(words[1]) << 32 : 0));
}
template <std::size_t N> void put(VlWide<N> &port, const uint32_t *words, int n) {
    for (std::size_t i = 0; i < N; i++) port[i] = int(i) < n ? words[i] : 0;
}

void load(Veie &top, Target target, int pe, int64_t address, int64_t value) {
    uint32_t words[2];
    std::memcpy(words, &value, sizeof words);
    top.load = 1;
    top.load_target = target;
    top.load_pe = pe;
    top.load_address = address;
    put(top.load_data, words, 2);
    clock(top);
    top.load = 0;
}

template <class Words> void *start_of(Words &words, int64_t *bytes) {
    *bytes = sizeof words[0];
    return &words[0];
}

}  // namespace

extern "C" {

void eie_pushed(int push_cycle, int column) {
    if (pushed < layer->max_broadcasts) {
        layer->pushes[pushed] = push_cycle;
        layer->columns[pushed] = column;
    }
    pushed++;
}

void eie_scanned(int cycles, int broadcasts, int stalls, int bubbles) {
    layer->scan[0] = broadcasts;
    layer->scan[1] = cycles;
    layer->scan[2] = stalls;
    layer->scan[3] = bubbles;
}

void eie_overflowed() { overflowed = true; }

void eie_popped(int pe, int pop_cycle, int entries) {
    int64_t at = popped[pe]++;
    if (at < layer->max_broadcasts) {
        layer->pops[pe * layer->max_broadcasts + at] = pop_cycle;
        layer->entries[pe * layer->max_broadcasts + at] = entries;
    }
}

void eie_counted(int pe, int ptr_reads, int row_reads, int walked, int fillers, int writes, int reads, int bypasses,
                 int saturations, int busy, int bubble, int starved, int fill, int drain, int bias_writes) {
    int counts[COUNTERS] = {ptr_reads, row_reads, walked, fillers, writes, reads, bypasses, saturations,
                            busy, bubble, starved, fill, drain, bias_writes};
    for (int i = 0; i < COUNTERS; i++) layer->counts[i * N_PE + pe] = counts[i];
}

void *eie_new() {
    auto *machine = new Machine;
    auto *root = machine->top.rootp;
    Element *elements[] = {ELEMENTS(ELEMENT_OF_ROOT)};
    for (int k = 0; k < N_PE; k++) {
        machine->elements[k] = elements[k];
        elements[k]->monitor__DOT__pe = k;
    }
    machine->top.rst = 1;
    clock(machine->top);
    machine->top.rst = 0;
    return machine;
}

void eie_delete(void *handle) { delete static_cast<Machine *>(handle); }

// The words of a memory of a PE: 0 the even pointer bank, 1 the odd one, 2 the sparse matrix.
void *eie_words(void *handle, int64_t memory, int64_t pe, int64_t *bytes) {
    Element *element = static_cast<Machine *>(handle)->elements[pe];
    if (memory == 0) return start_of(element->pointers__DOT__even__DOT__words, bytes);
    if (memory == 1) return start_of(element->pointers__DOT__odd__DOT__words, bytes);
    return start_of(element->spmat__DOT__rows__DOT__words, bytes);
}

// One word through the port, as hardware loads it.
void eie_load(void *handle, int64_t target, int64_t pe, int64_t address, const uint32_t *words, int64_t n) {
    Veie &top = static_cast<Machine *>(handle)->top;
    top.load = 1;
    top.load_target = target;
    top.load_pe = pe;
    top.load_address = address;
    put(top.load_data, words, int(n));
    clock(top);
    top.load = 0;
}

// Run a layer whose pointers and entries are in the memories. 0, 1 where it was not done within the limit, 2 where a queue overflowed.
int64_t eie_run(void *handle, Layer *of) {
    Veie &top = static_cast<Machine *>(handle)->top;
    layer = of;
    pushed = 0;
    overflowed = false;
    std::memset(popped, 0, sizeof popped);

    top.rst = !of->chained;
    top.swap = of->chained;
    clock(top);
    top.rst = 0;
    top.swap = 0;
    for (int64_t code = 0; code < of->n_codes; code++) load(top, CODEBOOK, 0, code, of->codebook[code]);
    if (!of->chained)
        for (int64_t j = 0; j < of->n_inputs; j++) load(top, INPUTS, j % N_PE, j / N_PE, of->inputs[j]);
    if (of->bias)
        for (int64_t i = 0; i < of->n_rows; i++) load(top, BIAS, i % N_PE, i / N_PE, of->bias[i]);

    top.shift = of->shift;
    top.last_row = (of->n_inputs - 1) / N_PE;
    top.last_lane = (of->n_inputs - 1) % N_PE;
    top.has_bias = of->has_bias;
    top.bias_value = of->bias_value;
    top.relu = of->relu;
    top.start = 1;
    int64_t begin = processor_time();
    clock(top);
    top.start = 0;
    clock(top);  // edge 1
    for (int64_t cycle = 0; top.running; cycle++) {
        if (cycle == of->limit) return 1;
        clock(top);
        if (overflowed) return 2;
    }
    of->nanoseconds = processor_time() - begin;

    for (int64_t i = 0; i < of->n_rows; i++) {
        top.read_out = 1;
        top.read_out_pe = i % N_PE;
        top.read_out_address = i / N_PE;
        clock(top);
        of->sums[i] = int64_t(uint64_t(top.read_out_data) << (64 - REG_BITS)) >> (64 - REG_BITS);
    }
    top.read_out = 0;
    return 0;
}

}  // extern "C"
