package worker

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of times in /proc: the same on all Linux architectures that Go knows.
const ticksPerSecond = 100

// loaded stands in for the start time where there is no /proc.
var loaded = time.Now()

// startTime is when the worker's process started, in Unix seconds: the value of process_start_time_seconds on its
// page, so that the federator sees one life.
func startTime(options Options) (float64, error) {
	if t := options.StartTime; !t.IsZero() {
		return unixSeconds(t), nil
	}
	seconds, err := kernelStartTime(options.PID)
	if err == nil {
		return seconds, nil
	}
	if options.PID == os.Getpid() {
		return unixSeconds(loaded), nil
	}
	return 0, fmt.Errorf("read the start time of process %d: %w; set Options.StartTime", options.PID, err)
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// kernelStartTime computes as client libraries do, to the bit.
func kernelStartTime(pid int) (float64, error) {
	boot, err := bootTime()
	if err != nil {
		return 0, err
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	// The command's name, in parentheses, may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const start = 19 // field 22 of stat, of which three are the pid, the name and what Fields begins with
	if len(fields) <= start {
		return 0, fmt.Errorf("parse /proc/%d/stat: it has %d fields", pid, len(fields))
	}
	ticks, err := strconv.ParseUint(fields[start], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("parse /proc/%d/stat: %w", pid, err)
	}
	return boot + float64(ticks)/ticksPerSecond, nil
}

func bootTime() (float64, error) {
	file, err := os.Open("/proc/stat")
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20) // the line intr grows with the machine
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "btime "); ok {
			return strconv.ParseFloat(text, 64)
		}
	}
	return 0, fmt.Errorf("find btime in /proc/stat: %w", lines.Err())
}
