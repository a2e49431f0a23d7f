// In the paper: the pointer read unit (section IV): p_j and p_j+1 in one cycle, from an even and an odd bank.
// In time: the banks are addressed at the pop edge s; their outputs give address and length in cycle s, the first of service.
// Contract: A PE, rule 1: busy for max(1, n) cycles, an entry issued in each; with D = 1, the queue is full until f - 1.
module ptr_read #(
    parameter int DEPTH = 8,
    parameter int BITS = 16,
    parameter int COLUMN_BITS = 14,
    parameter int PTR_WORDS = 16384,
    parameter int ROW_BITS = 15,
    parameter int PLACE_BITS = 3,
    parameter int ROW_ENTRIES = 8,
    parameter int PTR_BITS = ROW_BITS + PLACE_BITS
) (
    input  logic                   clk,
    input  logic                   rst,
    // The activation being pushed, and the head of the queue.
    input  logic                   push,
    input  logic [COLUMN_BITS-1:0] push_column,
    input  logic                   valid,
    input  logic [BITS-1:0]        value,
    input  logic [COLUMN_BITS-1:0] column,
    output logic                   pop,
    output logic                   full,
    output logic                   credit,        // room for one more; of use where broadcasts have a latency
    // What is in service: `issue` with its address, in each cycle that has an entry.
    output logic                   serving,
    output logic                   issue,
    output logic                   issue_first,
    output logic [ROW_BITS-1:0]    issue_row,
    output logic [PLACE_BITS-1:0]  issue_place,
    output logic [BITS-1:0]        issue_value,
    // Loading pointers, a word of (row, place) each.
    input  logic                   load,
    input  logic [COLUMN_BITS-1:0] load_address,
    input  logic [PTR_BITS-1:0]    load_data
);
    localparam int BANK_WORDS = (PTR_WORDS + 1) / 2;
    localparam int BANK_BITS = COLUMN_BITS - 1;

    typedef struct packed {
        logic [ROW_BITS-1:0] row;
        logic [PLACE_BITS-1:0] place;
    } pointer_t;

    logic read, even_enable, odd_enable, odd_first;
    logic [COLUMN_BITS-1:0] read_column;
    logic [BANK_BITS-1:0] even_address, odd_address;
    pointer_t even_out, odd_out, begin_out, end_out;
    logic [PTR_BITS-1:0] entries_out;

    // With D = 1 the pointers are read at the push, a cycle earlier: only so is it known in time whether the next
    // activation may come at edge f - 1.
    assign read = DEPTH == 1 ? push : pop;
    assign read_column = DEPTH == 1 ? push_column : column;
    // Column j begins at p_j and ends at p_j+1: the even bank has the next word when j is odd.
    assign even_address = load ? load_address[COLUMN_BITS-1:1] : read_column[COLUMN_BITS-1:1] + BANK_BITS'(read_column[0]);
    assign odd_address = load ? load_address[COLUMN_BITS-1:1] : read_column[COLUMN_BITS-1:1];
    assign even_enable = read || (load && !load_address[0]);
    assign odd_enable = read || (load && load_address[0]);

    sram #(.WIDTH(PTR_BITS), .DEPTH(BANK_WORDS), .ADDRESS_BITS(BANK_BITS)) even (
        .clk, .enable(even_enable), .write(load), .address(even_address), .data_in(load_data), .data_out(even_out));
    sram #(.WIDTH(PTR_BITS), .DEPTH(BANK_WORDS), .ADDRESS_BITS(BANK_BITS)) odd (
        .clk, .enable(odd_enable), .write(load), .address(odd_address), .data_in(load_data), .data_out(odd_out));

    always_ff @(posedge clk) if (read) odd_first <= read_column[0];

    assign begin_out = odd_first ? odd_out : even_out;
    assign end_out = odd_first ? even_out : odd_out;
    // Rows and places apart: no divider, one multiplication by a constant.
    assign entries_out = PTR_BITS'(end_out.row - begin_out.row) * PTR_BITS'(ROW_ENTRIES)
                       + PTR_BITS'(end_out.place) - PTR_BITS'(begin_out.place);

    logic fresh, last;
    pointer_t next, now;
    logic [PTR_BITS-1:0] left, left_now;

    assign left_now = fresh ? entries_out : left;
    assign now = fresh ? begin_out : next;
    assign last = left_now <= 1;
    assign pop = valid && (!serving || last);
    assign issue = serving && left_now != 0;
    assign issue_row = now.row;
    assign issue_place = now.place;
    if (DEPTH == 1) begin : lock_step
        // In cycle c the next push edge is c + 1, allowed from f - 1 on: at most two cycles of service are left, this one
        // included; of one that waits, and is served from c + 1 on, at most one.
        assign full = valid ? entries_out > 1 : serving && left_now > 2;
        // The first such cycle, f - 2. With a latency nothing else waits or is served then.
        assign credit = valid ? entries_out <= 1 : serving && left_now == 2;
    end else begin : queued
        assign full = 1'b0;
        assign credit = pop;
    end

    always_ff @(posedge clk) begin
        fresh <= pop && DEPTH > 1;
        if (pop) begin
            serving <= 1'b1;
            issue_first <= 1'b1;
            issue_value <= value;
            // With D = 1 the banks may be read again in the first cycle of service, so both are kept now.
            next <= begin_out;
            left <= entries_out;
        end else begin
            issue_first <= 1'b0;
            if (last) serving <= 1'b0;
            left <= left_now - 1'b1;
            next.place <= now.place == PLACE_BITS'(ROW_ENTRIES - 1) ? '0 : now.place + 1'b1;
            next.row <= now.place == PLACE_BITS'(ROW_ENTRIES - 1) ? now.row + 1'b1 : now.row;
        end
        if (rst) begin
            serving <= 1'b0;
            fresh <= 1'b0;
        end
    end
endmodule
