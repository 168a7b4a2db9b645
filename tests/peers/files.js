// Reads latency.hlog with the JavaScript port of HdrHistogram; see files.sh.
// The percentiles it tells must be those of our .hgrm, byte for byte.
const fs = require("fs");
const hdr = require("hdr-histogram-js");

const [log, work] = process.argv.slice(2);
const clocks = { latency: "hgrm", latency_failed: "hgrm-failed", service: "hgrm-service", lateness: "hgrm-lateness" };
for (const [clock, form] of Object.entries(clocks)) {
    const total = hdr.build({ lowestDiscernibleValue: 1, highestTrackableValue: 3600000000, numberOfSignificantValueDigits: 3, bitBucketSize: 64 });
    const reader = new hdr.HistogramLogReader(fs.readFileSync(log, "utf8"));
    for (let second; (second = reader.nextIntervalHistogram()) !== null; ) {
        if (second.tag === clock) total.add(second);
    }
    const theirs = total.outputPercentileDistribution(5, 1000).trim().split("\n").map((line) => line.trim());
    const ours = fs.readFileSync(`${work}/${form}`, "utf8").trim().split("\n").map((line) => line.trim());
    const differing = ours.filter((line, n) => line !== theirs[n]);
    const equal = differing.length === 0 && ours.length === theirs.length;
    if (!equal) {
        console.error(`${clock}: ${differing.length} of ${ours.length} lines differ (${theirs.length} theirs)`);
        ours.forEach((line, n) => line !== theirs[n] && console.error(`  ours   ${line}\n  theirs ${theirs[n]}`));
        process.exitCode = 1;
    }
    console.log(`JavaScript: ${clock}: ${total.totalCount} samples, p99 ${total.getValueAtPercentile(99)} µs, ${ours.length} lines of .hgrm${equal ? ", equal" : ""}`);
}
