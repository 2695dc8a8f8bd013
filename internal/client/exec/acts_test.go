package exec

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"redline/internal/client"
)

// childRole makes this test binary a child of redline; the act follows it.
const childRole = "child"

// forever is longer than any test waits.
const forever = time.Hour

// stage is where a child acts.
type stage struct{ orders *bufio.Scanner }

func (stage) say(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }

func (s stage) hello(settings map[string]string) {
	s.say(`{"type":"hello","protocol":1,"client":"acting","version":"1.0","settings":%s}`, jsonText(settings))
}

// await reads one order, and says whether there was one.
func (s stage) await() bool { return s.orders.Scan() }

// work counts a record each millisecond until it is told to stop, and ends.
func (s stage) work() {
	stop := make(chan struct{})
	go func() { s.await(); close(stop) }()
	tick := time.NewTicker(time.Millisecond)
	for records := 0; ; records++ {
		select {
		case <-tick.C:
			s.say(`{"type":"count","records":%d,"bytes":%d,"rewinds":%d}`, records, 10*records, records/10)
		case <-stop:
			s.say(`{"type":"end","records":%d,"bytes":%d,"rewinds":%d,"errors":0,"sum":"18446744073709551615","positions":{"0":103}}`, records, 10*records, records/10)
			return
		}
	}
}

// helper starts this binary in another act, in the same group unless it leaves it.
func helper(act string, leaves bool) int {
	cmd := exec.CommandContext(context.Background(), os.Args[0], childRole, act)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: leaves}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	return cmd.Process.Pid
}

// acts are what children do, good and bad.
var acts = map[string]func(stage) int{
	"good": func(s stage) int {
		s.hello(map[string]string{"linger.ms": "5"})
		if s.await() {
			s.work()
		}
		return 0
	},
	"once": func(s stage) int {
		s.hello(nil)
		s.await()
		s.say(`{"type":"end","records":90,"bytes":9}`)
		return 0
	},
	"troubled": func(s stage) int {
		s.say(`{"type":"error","message":"cannot connect\u001b[2J yet"}`)
		s.hello(nil)
		s.await()
		s.say(`{"type":"error","message":"still not"}`)
		s.work()
		return 0
	},
	"environment": func(s stage) int {
		settings := map[string]string{}
		for _, pair := range os.Environ() {
			name, value, _ := strings.Cut(pair, "=")
			if strings.HasPrefix(name, ours) || strings.HasPrefix(name, "EXECTEST") {
				settings[name] = value
			}
		}
		if file := settings["REDLINE_CONNECTION_FILE"]; file != "" {
			info, err := os.Stat(file)
			content, _ := os.ReadFile(file)
			settings["file"], settings["mode"] = string(content), fmt.Sprint(info.Mode(), err)
		}
		s.hello(settings)
		s.await()
		s.work()
		return 0
	},
	"complains": func(stage) int {
		fmt.Fprint(os.Stderr, "Traceback (most recent call last):\n  File \"x\"\nValueError: \x1b[31mno such broker\x07\n\n")
		return 3
	},
	"panics":   func(stage) int { panic("no such broker") },
	"mute":     func(stage) int { time.Sleep(forever); return 0 },
	"nonsense": func(s stage) int { s.say("INFO connecting to \x1b[31mbroker"); time.Sleep(forever); return 0 },
	"endless":  func(stage) int { endless(); return 0 },
	"silent":   func(s stage) int { s.hello(nil); s.await(); time.Sleep(forever); return 0 },
	"future": func(s stage) int {
		s.say(`{"type":"hello","protocol":2,"client":"a","version":"b"}`)
		s.await()
		return 0
	},
	"nameless":  func(s stage) int { s.say(`{"type":"hello","protocol":1}`); s.await(); return 0 },
	"hasty":     func(s stage) int { s.say(`{"type":"count","records":1,"bytes":1}`); s.await(); return 0 },
	"greets":    func(s stage) int { s.hello(nil); s.hello(nil); time.Sleep(forever); return 0 },
	"falling":   says(`{"type":"count","records":10,"bytes":99}`, `{"type":"count","records":9,"bytes":99}`),
	"negative":  says(`{"type":"count","records":-1,"bytes":0}`),
	"countless": says(`{"type":"count","record":1}`),
	"boasting":  says(`{"type":"count","records":206,"bytes":1,"rewinds":1}`, `{"type":"count","records":207,"bytes":1,"rewinds":1}`),
	"turning":   says(`{"type":"count","records":2,"bytes":0,"rewinds":3}`),
	"weightful": says(`{"type":"count","records":0,"bytes":1}`),
	"early":     says(`{"type":"end","records":10,"bytes":1}`),
	"afterlife": says(`{"type":"end","records":0,"bytes":0}`, `{"type":"count","records":0,"bytes":0}`),
	"lingers":   says(`{"type":"end","records":0,"bytes":0}`),
	"lost":      says(`{"type":"end","records":0,"bytes":0,"positions":{"0":104}}`),
	"unknown":   says(`{"type":"end","records":0,"bytes":0,"positions":{"5":0}}`),
	"sumless":   says(`{"type":"end","records":0,"bytes":0,"sum":"18446744073709551616"}`),
	"fails":     func(s stage) int { says(`{"type":"end","records":0,"bytes":0}`)(s); return 4 },
	"dies": func(s stage) int {
		s.hello(nil)
		s.await()
		s.say(`{"type":"count","records":7,"bytes":70}`)
		fmt.Fprint(os.Stdout, `{"type":"count","rec`)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		return 0
	},
	"deaf": func(s stage) int {
		os.Stdin.Close()
		s.hello(nil)
		for {
			time.Sleep(time.Millisecond)
			s.say(`{"type":"count","records":1,"bytes":1}`)
		}
	},
	"parent": func(s stage) int {
		s.hello(map[string]string{"helper": strconv.Itoa(helper("mute", false))})
		s.await()
		s.work()
		return 0
	},
	"leaving": func(s stage) int {
		s.hello(map[string]string{"helper": strconv.Itoa(helper("mute", true))})
		s.await()
		s.work()
		return 0
	},
	"owner": func(s stage) int {
		c, err := New("owned", words(os.Args[0], childRole, "silent"))
		if err != nil {
			panic(err)
		}
		p, err := c.Start(context.Background(), reading())
		if err != nil {
			panic(err)
		}
		s.say("%d", p.PID())
		time.Sleep(forever)
		return 0
	},
}

func act(name string) int {
	return acts[name](stage{bufio.NewScanner(os.Stdin)})
}

// says makes a child that says lines once it was told to start, and lives on a while.
func says(lines ...string) func(stage) int {
	return func(s stage) int {
		s.hello(nil)
		s.await()
		for _, line := range lines {
			s.say("%s", line)
		}
		if name := os.Args[2]; name != "fails" {
			time.Sleep(forever)
		}
		return 0
	}
}

func endless() {
	for line := []byte(strings.Repeat("x", 1<<16)); ; {
		if _, err := os.Stdout.Write(line); err != nil {
			return
		}
	}
}

// reading is a task of 103 records in two partitions.
func reading() client.Task {
	return client.Task{
		Options:  client.Options{Brokers: []string{"127.0.0.1:1"}},
		Workload: consume, Topic: "t", Instances: 2,
		Starts: map[int32]int64{0: 3, 1: 7}, Ends: map[int32]int64{0: 103, 1: 10},
	}
}

// words quotes a command.
func words(all ...string) string {
	quoted, _ := json.Marshal(all)
	return strings.NewReplacer(`","`, `" "`, "[", "", "]", "").Replace(string(quoted))
}
