package cli

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// canary is a password that must stand nowhere but where it was written.
const canary = "canary-7f3a-of-a-password"

// sung runs a command line in this process and gives all that it printed.
func sung(t *testing.T, env map[string]string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	run(ctx, &Process{
		Args: args, Getenv: func(key string) string { return env[key] }, Stdin: strings.NewReader(""),
		Stdout: &out, Stderr: &out,
	})
	return out.String()
}

// A password stands in no output, report or stored run, whichever way it was given and
// whatever becomes of the command.
func TestAPasswordIsPrintedNowhere(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.User("PLAIN", "bench", canary), kfake.SeedTopics(2, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	folder := t.TempDir()
	t.Chdir(folder)
	t.Setenv("REDLINE_STATE", filepath.Join(folder, "state"))
	broker := k.ListenAddrs()[0]
	jaas := `org.apache.kafka.common.security.plain.PlainLoginModule required username="bench" password="` + canary + `";`
	properties := "bootstrap.servers=" + broker + "\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=" + jaas + "\n"
	config := "contexts:\n  c:\n    properties:\n      bootstrap.servers: " + broker + "\n      sasl.mechanism: PLAIN\n      sasl.username: bench\n      sasl.password: " + canary + "\n"
	question := "question: which?\nmeasure: consume\nbase:\n  partitions: 1\naxes:\n  consumers: [1, 2]\ntiming: {warmup: 50ms, window: 50ms}\n"
	written := map[string]string{"client.properties": properties, "config.yaml": config, "password": canary, "q.yaml": question}
	for name, text := range written {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"REDLINE_CONFIG": filepath.Join(folder, "config.yaml"), passwordEnv: ""}
	ways := [][]string{
		{"-F", "client.properties"},
		{"--context", "c"},
		{"-b", broker, "--sasl-mechanism", "PLAIN", "--sasl-user", "bench", "--sasl-password-file", "password"},
		{"-b", broker, "-X", "security.protocol=sasl_plaintext", "-X", "sasl.mechanisms=PLAIN", "-X", "sasl.username=bench", "-X", "sasl.password=" + canary},
		{"-b", broker, "-X", "sasl.mechanism=PLAIN", "-X", "sasl.jaas.config=" + jaas},
		{"-b", broker, "-X", "sasl.mechanism=SCRAM-SHA-256", "-X", "sasl.username=bench", "-X", "sasl.password=" + canary, "--timeout", "1s"}, // refused
		{"-b", broker, "-X", "sasl.pasword=" + canary},                                                                                        // mistyped
		{"-b", broker, "-X", "sasl.jaas.config=" + strings.TrimSuffix(jaas, `";`)},
	}
	check := func(args ...string) string {
		printed := sung(t, env, args...)
		if strings.Contains(printed, canary) {
			t.Errorf("%v shows it:\n%s", args[0], printed)
		}
		return printed
	}
	reached := 0
	for i, way := range ways {
		commands := [][]string{
			{"topic", "list", "-v"}, {"topic", "list", "-o", "json"}, {"consume", "-X", "dump"}, {"consume", "-X", "dump", "-o", "json"},
			{"topic", "describe", "no-such-topic"}, {"produce", "--topic", "t", "--num-records", "10", "-o", "json", "--client", "franz"}, {"group", "describe", "g"},
		}
		if i == 0 {
			commands = append(commands, []string{"consume", "--topic", "t", "--until-end", "--group", "g", "-o", "json", "-v"}, []string{"doctor", "-o", "json"})
		}
		for _, command := range commands {
			printed := check(append(command, way...)...)
			if command[0] == "topic" && command[1] == "list" && strings.Contains(printed, "cluster kfake at ") {
				reached++
			}
		}
	}
	check("context", "list")
	check("context", "show", "c")
	check("context", "show", "c", "-o", "json")
	if reached < 5 {
		t.Errorf("only %d of 5 ways reached the cluster", reached)
	}
	for _, way := range ways[3:5] { // the secret is on the command line, which is stored
		check(append([]string{"run", "q.yaml", "--rounds", "1"}, way...)...)
	}
	for _, format := range []string{"text", "json", "html"} {
		check("report", "-o", format)
	}
	check("history", "-o", "json")
	searchFiles(t, folder, written)
}

// searchFiles searches every file but those where the canary was written.
func searchFiles(t *testing.T, folder string, written map[string]string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if _, ours := written[entry.Name()]; ours && filepath.Dir(path) == folder {
			return nil
		}
		files++
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(canary)) {
			t.Errorf("%s holds it", path)
		}
		return err
	})
	if err != nil || files < 10 {
		t.Errorf("searched %d files: %v", files, err)
	}
}
