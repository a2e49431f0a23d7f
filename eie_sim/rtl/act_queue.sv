// In the paper: the activation queue of a PE (section IV), a FIFO of (value, column).
// In time: written at the push edge, seen from that edge on; the head is there in every cycle with `valid`.
// Contract: Scan, rule 4: D - 1 activations wait at most; `full` is of registers alone: a pop makes no room in its cycle.
module act_queue #(
    parameter int DEPTH = 8,
    parameter int BITS = 16,
    parameter int COLUMN_BITS = 14
) (
    input  logic                   clk,
    input  logic                   rst,
    input  logic                   push,
    input  logic [BITS-1:0]        push_value,
    input  logic [COLUMN_BITS-1:0] push_column,
    input  logic                   pop,
    output logic                   full,
    output logic                   valid,
    output logic [BITS-1:0]        value,
    output logic [COLUMN_BITS-1:0] column
);
    // With D = 1 one activation waits for the one cycle between its push and its pop; `ptr_read` says when there is room.
    localparam int SLOTS = DEPTH > 1 ? DEPTH - 1 : 1;
    localparam int SLOT_BITS = SLOTS > 1 ? $clog2(SLOTS) : 1;
    localparam int COUNT_BITS = $clog2(SLOTS + 1);
    localparam logic [SLOT_BITS-1:0] LAST = SLOT_BITS'(SLOTS - 1);

    logic [COLUMN_BITS+BITS-1:0] slots [0:SLOTS-1];
    logic [SLOT_BITS-1:0] head, tail;
    logic [COUNT_BITS-1:0] waiting;

    assign full = waiting == COUNT_BITS'(SLOTS);
    assign valid = waiting != 0;
    assign {column, value} = slots[head];

    always_ff @(posedge clk) begin
        if (push) begin
            slots[tail] <= {push_column, push_value};
            tail <= tail == LAST ? '0 : tail + 1'b1;
        end
        if (pop) head <= head == LAST ? '0 : head + 1'b1;
        if (push && !pop) waiting <= waiting + 1'b1;
        if (pop && !push) waiting <= waiting - 1'b1;
        if (rst) begin
            head <= '0;
            tail <= '0;
            waiting <= '0;
        end
    end
endmodule
