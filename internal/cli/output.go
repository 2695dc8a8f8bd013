package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"redline/internal/observe"
	"redline/internal/workload"
	"redline/result"
)

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
