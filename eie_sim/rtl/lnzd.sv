// In the paper: leading non-zero detection (section IV), a tree whose nodes have FANIN children each.
// In time: combinational; the lane register of this cycle gives the lane and the value of this cycle.
// Contract: Scan, rule 2: the leading active lane after the last one taken; a taken lane is not active any more.
module lnzd #(
    parameter int N_PE = 64,
    parameter int BITS = 16,
    parameter int FANIN = 4,
    parameter int LANE_BITS = 6
) (
    input  logic [N_PE-1:0]           active,
    input  logic [N_PE-1:0][BITS-1:0] values,
    output logic                      found,
    output logic [LANE_BITS-1:0]      lane,
    output logic [BITS-1:0]           value
);
    // One pass for each level of the tree, leaves first: node i takes the first active one of its children.
    logic [N_PE-1:0] valid;
    logic [BITS-1:0] act [0:N_PE-1];
    logic [LANE_BITS-1:0] index [0:N_PE-1];

    always_comb begin
        valid = active;
        for (int k = 0; k < N_PE; k++) begin
            act[k] = values[k];
            index[k] = LANE_BITS'(k);
        end
        for (int nodes = N_PE; nodes > 1; nodes = (nodes + FANIN - 1) / FANIN)
            for (int i = 0; i * FANIN < nodes; i++) begin
                logic node_valid;
                logic [BITS-1:0] node_act;
                logic [LANE_BITS-1:0] node_index;
                node_valid = 1'b0;
                node_act = act[i * FANIN];
                node_index = index[i * FANIN];
                for (int child = 0; child < FANIN; child++)
                    if (i * FANIN + child < nodes && !node_valid && valid[i * FANIN + child]) begin
                        node_valid = 1'b1;
                        node_act = act[i * FANIN + child];
                        node_index = index[i * FANIN + child];
                    end
                valid[i] = node_valid;
                act[i] = node_act;
                index[i] = node_index;
            end
    end

    assign found = valid[0];
    assign lane = index[0];
    assign value = act[0];
endmodule
