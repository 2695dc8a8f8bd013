package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"redline/internal/observe"
	"redline/internal/report"
	"redline/internal/workload"
	"redline/result"
)

func addOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "how to print the result: text or json")
}

func checkOutput(output string) error {
	if output != "text" && output != "json" {
		return usagef("-o %s: the output is text or json", output)
	}
	return nil
}

// formats are those of what an experiment found.
var formats = []string{"text", "json", "md", "csv", "html", "benchfmt"}

func addFormats(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "how to print the result: "+strings.Join(formats, ", "))
}

func checkFormats(output string) error {
	if !slices.Contains(formats, output) {
		return usagef("-o %s: the output is one of %s", output, strings.Join(formats, ", "))
	}
	return nil
}

// printExperiment prints what an experiment found.
func printExperiment(p *Process, output string, r result.ExperimentReport) error {
	switch output {
	case "json":
		return printJSON(p.Stdout, r)
	case "md":
		report.ExperimentMarkdown(p.Stdout, r)
	case "csv":
		return report.ExperimentCSV(p.Stdout, r)
	case "html":
		return report.HTML(p.Stdout, r)
	case "benchfmt":
		return report.Benchfmt(p.Stdout, r)
	default:
		report.Experiment(p.Stdout, r)
	}
	return nil
}

// document is what every JSON object begins with.
type document struct {
	Schema  string `json:"schema"`
	Version string `json:"version"`
	// Error is null when all went well.
	Error *string `json:"error"`
}

func newDocument(schema string, err error) document {
	d := document{Schema: schema, Version: observe.Environment().Redline}
	if err != nil {
		text := sentence(err)
		d.Error = &text
	}
	return d
}

// printAnswer prints how a command that asks or changes one thing ended: text, or
// one JSON object, which there is also after an error. It gives the error back.
func printAnswer(p *Process, output, schema string, err error, text func(io.Writer), doc func(document) any) error {
	if output == "json" {
		return errors.Join(err, printJSON(p.Stdout, doc(newDocument(schema, err))))
	}
	if err == nil {
		text(p.Stdout)
	}
	return err
}

// newHeader begins a report.
func newHeader(schema string) result.Header {
	environment := observe.Environment()
	return result.Header{Schema: schema, Version: environment.Redline, Warnings: []string{}, Environment: environment}
}

// printReport writes a report as its one JSON object, with the error that the
// command ends with in it, and gives that error back.
func printReport(p *Process, header *result.Header, report any, err error) error {
	if err != nil {
		text := sentence(err)
		header.Error = &text
	}
	if printErr := printJSON(p.Stdout, report); printErr != nil && err == nil {
		return printErr
	}
	return err
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("cannot write the result: %w", err)
	}
	return nil
}

func rateOf(s workload.Span, cut workload.Cut) result.Rate {
	return result.Rate{
		FromSeconds: s.From.Seconds(), ToSeconds: s.To.Seconds(), Records: s.Records,
		RecordsPerSecond: s.Rate(), MegabytesPerSecond: s.ByteRate() / 1e6, Cut: string(cut),
	}
}
