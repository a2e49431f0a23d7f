// Runs one layer on the machine and compares everything that eie-sim reports of it: sums, cycles, every counter.
// In time: loads through the port, starts, clocks until the layer is done, reads out. `+vcd` writes eie.vcd of the run.
// The layer, the machine and what is expected are in layer.svh and the .hex files. Verilator and Icarus Verilog run it.
`timescale 1ns/1ns
module testbench;
`include "layer.svh"

    localparam int COUNTERS = 14;

    logic clk = 1'b0, rst = 1'b1, start = 1'b0, load = 1'b0, read_out = 1'b0;
    logic running, done;
    logic [2:0] load_target = '0;
    logic [LANE_BITS-1:0] load_pe = '0, read_out_pe = '0;
    logic [LOAD_ADDRESS_BITS-1:0] load_address = '0;
    logic [LOAD_BITS-1:0] load_data = '0;
    logic [ACT_ADDRESS_BITS-1:0] read_out_address = '0;
    logic [REG_BITS-1:0] read_out_data;

    eie dut (
        .clk, .rst, .start, .swap(1'b0), .relu(1'b0), .shift(6'(SHIFT)), .last_row(ACT_ADDRESS_BITS'((N_INPUTS - 1) / N_PE)),
        .last_lane(LANE_BITS'((N_INPUTS - 1) % N_PE)), .has_bias(1'(HAS_BIAS)), .bias_value(BITS'(BIAS_VALUE)), .running, .done,
        .load, .load_target, .load_pe, .load_address, .load_data, .read_out, .read_out_pe, .read_out_address, .read_out_data);

    // PE after PE; within one, the word of address 0 first. Inputs, bias and sums: that of PE 0, of PE 1, ...
    logic [PTR_BITS-1:0] pointers [0:N_PE*PTR_LOADED-1];
    logic [SPMAT_WIDTH-1:0] spmat [0:N_PE*SPMAT_LOADED-1];
    logic [BITS-1:0] codebook [0:2**WEIGHT_BITS-1];
    logic [REG_BITS-1:0] inputs [0:N_INPUTS-1];
    logic [REG_BITS-1:0] bias [0:N_ROWS-1];
    logic [REG_BITS-1:0] sums [0:N_ROWS-1];
    logic [31:0] counters [0:N_PE*COUNTERS-1];

    // What is counted, by looking into the design: it has no counter of its own.
    int cycle, cycles, broadcasts, stalls, bubbles;
    wire [N_PE*COUNTERS*32-1:0] counted;

    always @(posedge clk)
        if (dut.starts) begin
            cycle <= 1;
            cycles <= 0;
            broadcasts <= 0;
            stalls <= 0;
            bubbles <= 0;
        end else if (running) begin
            cycle <= cycle + 1;
            if (dut.push) broadcasts <= broadcasts + 1;
            if (dut.found && !dut.push) stalls <= stalls + 1;
            if (dut.lane_load && !dut.push) bubbles <= bubbles + 1;
            if (done) cycles <= cycle;
        end

    genvar k;
    for (k = 0; k < N_PE; k++) begin : count
        int ptr_reads, row_reads, entries, fillers, writes, reads, bypasses, saturations;
        int busy, bubble, starved, fill, idle, filled, drained, bias_writes = 0;

        always @(posedge clk) begin
            if (!running && dut.pes[k].element.load_destination) bias_writes <= bias_writes + 1;
            if (dut.starts) begin
                ptr_reads <= 0; row_reads <= 0; entries <= 0; fillers <= 0; writes <= 0; reads <= 0; bypasses <= 0;
                saturations <= 0; busy <= 0; bubble <= 0; starved <= 0; fill <= 0; idle <= 0;
            end else if (running) begin
                if (dut.pes[k].element.serving) begin
                    if (dut.pes[k].element.issue_first) ptr_reads <= ptr_reads + 1;
                    if (dut.pes[k].element.issue) busy <= busy + 1;
                    else bubble <= bubble + 1;
                    starved <= starved + idle;
                    idle <= 0;
                end else if (ptr_reads == 0) fill <= fill + 1;
                else idle <= idle + 1;  // starved if something is served later, else draining
                if (dut.pes[k].element.spmat.row_read) row_reads <= row_reads + 1;
                if (dut.pes[k].element.arith.walking) entries <= entries + 1;
                if (dut.pes[k].element.arith.walking && !dut.pes[k].element.arith.multiplying) fillers <= fillers + 1;
                if (dut.pes[k].element.arith.multiplying) begin
                    if (dut.pes[k].element.arith.bypass) bypasses <= bypasses + 1;
                    else reads <= reads + 1;
                end
                if (dut.pes[k].element.arith.adding && (dut.pes[k].element.arith.above || dut.pes[k].element.arith.below))
                    saturations <= saturations + 1;
                if (dut.pes[k].element.acc_write) writes <= writes + 1;
            end
        end

        // Of a PE that was sent nothing all cycles are of the drain.
        assign filled = ptr_reads == 0 ? 0 : fill;
        assign drained = ptr_reads == 0 ? fill : idle;
        assign counted[k*COUNTERS*32 +: COUNTERS*32] = {  // the first counter in the lowest bits
            bias_writes, drained, filled, starved, bubble, busy, saturations, bypasses, reads, writes, fillers, entries,
            row_reads, ptr_reads};
    end

    task tick;
        #1 clk = 1'b1;
        #1 clk = 1'b0;
    endtask

    task load_word(input logic [2:0] target, input int pe, input int address, input logic [LOAD_BITS-1:0] data);
        load = 1'b1;
        load_target = target;
        load_pe = LANE_BITS'(pe);
        load_address = LOAD_ADDRESS_BITS'(address);
        load_data = data;
        tick;
        load = 1'b0;
    endtask

    task check(input logic [31:0] found, input logic [31:0] expected, input int what, input int pe);
        if (found !== expected) begin
            $write("FAIL: ");
            if (pe >= 0) $write("PE %0d: ", pe);
            case (what)
                0: $write("ptr_reads");
                1: $write("spmat_row_reads");
                2: $write("entries");
                3: $write("fillers");
                4: $write("acc_writes");
                5: $write("acc_reads");
                6: $write("bypasses");
                7: $write("saturations");
                8: $write("busy_cycles");
                9: $write("bubble_cycles");
                10: $write("starved_cycles");
                11: $write("fill_cycles");
                12: $write("drain_cycles");
                13: $write("bias_writes");
                14: $write("cycles");
                15: $write("broadcasts");
                16: $write("broadcast_stalls");
                default: $write("scan_bubbles");
            endcase
            $display(": %0d, expected %0d", $signed(found), $signed(expected));
            $fatal(1);
        end
    endtask

    initial begin
        $readmemh("pointers.hex", pointers);
        $readmemh("spmat.hex", spmat);
        $readmemh("codebook.hex", codebook);
        $readmemh("inputs.hex", inputs);
        if (PRELOADS_BIAS != 0) $readmemh("bias.hex", bias);
        $readmemh("sums.hex", sums);
        $readmemh("counters.hex", counters);

        tick;
        rst = 1'b0;
        for (int pe = 0; pe < N_PE; pe++) begin
            for (int i = 0; i < PTR_LOADED; i++) load_word(3'd0, pe, i, LOAD_BITS'(pointers[pe*PTR_LOADED+i]));
            for (int i = 0; i < SPMAT_LOADED; i++) load_word(3'd1, pe, i, LOAD_BITS'(spmat[pe*SPMAT_LOADED+i]));
        end
        for (int i = 0; i < 2**WEIGHT_BITS; i++) load_word(3'd2, 0, i, LOAD_BITS'(codebook[i]));
        for (int i = 0; i < N_INPUTS; i++) load_word(3'd3, i % N_PE, i / N_PE, LOAD_BITS'(inputs[i]));
        if (PRELOADS_BIAS != 0)
            for (int i = 0; i < N_ROWS; i++) load_word(3'd4, i % N_PE, i / N_PE, LOAD_BITS'(bias[i]));

        if ($test$plusargs("vcd")) begin
            $dumpfile("eie.vcd");
            $dumpvars(0, testbench);
        end
        start = 1'b1;
        tick;
        start = 1'b0;
        tick;  // edge 1
        for (int i = 0; running; i++) begin
            if (i == LIMIT) begin
                $display("FAIL: not done after %0d cycles, expected %0d", LIMIT, CYCLES);
                $fatal(1);
            end
            tick;
        end
        if ($test$plusargs("vcd")) $dumpoff;

        for (int i = 0; i < N_ROWS; i++) begin
            read_out = 1'b1;
            read_out_pe = LANE_BITS'(i % N_PE);
            read_out_address = ACT_ADDRESS_BITS'(i / N_PE);
            tick;
            if (read_out_data !== sums[i]) begin
                $display("FAIL: sum %0d (PE %0d, register %0d): %0d, expected %0d", i, i % N_PE, i / N_PE,
                         $signed(read_out_data), $signed(sums[i]));
                $fatal(1);
            end
        end
        check(cycles, CYCLES, 14, -1);
        check(broadcasts, BROADCASTS, 15, -1);
        check(stalls, STALLS, 16, -1);
        check(bubbles, BUBBLES, 17, -1);
        for (int pe = 0; pe < N_PE; pe++)
            for (int i = 0; i < COUNTERS; i++)
                check(counted[(pe*COUNTERS+i)*32 +: 32], counters[pe*COUNTERS+i], i, pe);
        $display("PASS: %0d sums, %0d cycles, %0d counters as expected", N_ROWS, cycles, N_PE * COUNTERS + 3);
        $finish;
    end
endmodule
