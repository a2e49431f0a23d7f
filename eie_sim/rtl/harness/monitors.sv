// Counters of a run, bound from outside: the design knows nothing of them. Simulation only.
// In time: an event of cycle c is counted at the edge that ends it; the totals are reported in the last cycle.
// Contract: Counters; cycles are numbered from 1, `start` is taken at edge 1.
module scan_monitor (
    input logic clk, start, running, done, push, found, lane_load,
    input int column
);
    import "DPI-C" function void eie_pushed(input int push_cycle, input int column);
    import "DPI-C" function void eie_scanned(input int cycles, input int broadcasts, input int stalls, input int bubbles);

    int cycle, broadcasts, stalls, bubbles;

    always @(posedge clk)
        if (start) begin
            cycle = 1;
            broadcasts = 0;
            stalls = 0;
            bubbles = 0;
        end else if (running) begin
            if (push) begin
                broadcasts++;
                eie_pushed(cycle + 1, column);
            end
            if (found && !push) stalls++;
            if (lane_load && !push) bubbles++;
            if (done) eie_scanned(cycle, broadcasts, stalls, bubbles);
            cycle++;
        end
endmodule

module pe_monitor (
    input logic clk, start, running, done,
    input int entries,
    input logic overflow, serving, first, issue, row_read, walking, multiplying, bypass, saturates, writing, bias_write
);
    import "DPI-C" function void eie_overflowed();
    import "DPI-C" function void eie_popped(input int pe, input int pop_cycle, input int entries);
    import "DPI-C" function void eie_counted(
        input int pe, input int ptr_reads, input int row_reads, input int issued, input int fillers, input int writes,
        input int reads, input int bypasses, input int saturations, input int busy, input int bubble, input int starved,
        input int fill, input int drain, input int bias_writes);

    int pe;  // set by the harness: as a constant input it would make the code of each PE another one
    int cycle, ptr_reads, row_reads, busy, bubble, starved, fill, idle;
    int walked, fillers, writes, reads, bypasses, saturations, bias_writes;

    always @(posedge clk) begin
        // A bias is written before the first cycle.
        if (!running && bias_write) bias_writes++;
        if (start) begin
            cycle = 1;
            ptr_reads = 0; row_reads = 0; busy = 0; bubble = 0; starved = 0; fill = 0; idle = 0;
            walked = 0; fillers = 0; writes = 0; reads = 0; bypasses = 0; saturations = 0;
        end else if (running) begin
            if (serving) begin
                if (first) begin
                    ptr_reads++;
                    eie_popped(pe, cycle, entries);
                end
                if (issue) busy++;
                else bubble++;
                starved += idle;
                idle = 0;
            end else if (ptr_reads == 0) fill++;
            else idle++;  // starved if something is served later, else draining
            if (overflow) eie_overflowed();
            if (row_read) row_reads++;
            if (walking) walked++;
            if (walking && !multiplying) fillers++;
            if (multiplying && bypass) bypasses++;
            if (multiplying && !bypass) reads++;
            if (saturates) saturations++;
            if (writing) writes++;
            if (done) begin
                // Of a PE that was sent nothing the final f is 1, so that all its cycles are of the drain.
                eie_counted(pe, ptr_reads, row_reads, walked, fillers, writes, reads, bypasses, saturations, busy, bubble,
                            starved, ptr_reads == 0 ? 0 : fill, ptr_reads == 0 ? fill : idle, bias_writes);
                bias_writes = 0;
            end
            cycle++;
        end
    end
endmodule

bind eie scan_monitor monitor (
    .clk, .start(starts), .running, .done, .push, .found, .lane_load, .column(32'(control.column)));

bind pe pe_monitor monitor (
    .clk, .start, .running(eie.running), .done(eie.done), .entries(32'(pointers.left_now)),
    .overflow(push && queue_full && !pop), .serving,
    .first(issue_first), .issue, .row_read(spmat.row_read), .walking(arith.walking), .multiplying(arith.multiplying),
    .bypass(arith.bypass), .saturates(arith.adding && (arith.above || arith.below)), .writing(acc_write),
    .bias_write(load_destination));
