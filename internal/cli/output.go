package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/spf13/cobra"

	"redline/internal/observe"
	"redline/internal/report"
	"redline/internal/workload"
	"redline/result"
)

// formats are what -o takes at every command that reports. Where the answer is no
// table, csv and md have a row for each field of the JSON object.
var formats = []string{"text", "wide", "json", "jsonl", "csv", "md"}

// experimentFormats are those of what an experiment found, beside formats.
var experimentFormats = []string{"html", "benchfmt"}

// outputFlag is -o.
type outputFlag struct {
	format *string
	takes  []string
}

func (f outputFlag) String() string {
	if f.format == nil {
		return ""
	}
	return *f.format
}

func (f outputFlag) Type() string { return "FORMAT" }

func (f outputFlag) Set(format string) error {
	if !slices.Contains(f.takes, format) {
		return fmt.Errorf("choose %s", oneOf(f.takes))
	}
	*f.format = format
	return nil
}

// addOutput gives a command -o, with formats of its own beside those of all.
func addOutput(cmd *cobra.Command, output *string, own ...string) {
	takes := append(slices.Clone(formats), own...)
	*output = "text"
	cmd.Flags().VarP(outputFlag{output, takes}, "output", "o", "how to print the result: "+oneOf(takes))
	complete(cmd, "output", takes...)
}

// isObject says whether a format is one of JSON objects, which there are also after
// an error.
func isObject(output string) bool { return output == "json" || output == "jsonl" }

// isText says whether a format is for people, who see lines as they come.
func isText(output string) bool { return output == "text" || output == "wide" }

// view is what a command has to show, in each form that -o takes.
type view struct {
	// text is for people; nil: the table.
	text func(io.Writer)
	// table is for wide, csv and md; nil: the text, and the fields of the object.
	table func() report.Table
	// object is for json and jsonl.
	object any
}

// show prints a view on standard output.
func show(p *Process, output string, v view) error {
	switch {
	case output == "json":
		return printJSON(p.Stdout, v.object)
	case output == "jsonl":
		return newLineWriter(p.Stdout).write(v.object)
	case output == "csv", output == "md", v.text == nil, output == "wide" && v.table != nil:
		return showTable(p.Stdout, output, v)
	}
	v.text(p.Stdout)
	return nil
}

func showTable(w io.Writer, output string, v view) error {
	if v.table == nil {
		fields, err := report.Fields(v.object)
		if err != nil {
			return err
		}
		v.table = func() report.Table { return fields }
	}
	switch output {
	case "csv":
		return v.table().CSV(w)
	case "md":
		v.table().Markdown(w)
	default:
		v.table().Text(w)
	}
	return nil
}

// printExperiment prints what an experiment found.
func printExperiment(p *Process, output string, r result.ExperimentReport) error {
	switch output {
	case "md":
		report.ExperimentMarkdown(p.Stdout, r)
	case "csv":
		return report.ExperimentCSV(p.Stdout, r)
	case "html":
		return report.HTML(p.Stdout, r)
	case "benchfmt":
		return report.Benchfmt(p.Stdout, r)
	default:
		return show(p, output, view{text: func(w io.Writer) { report.Experiment(w, r) }, object: r})
	}
	return nil
}

// document is what every JSON object begins with.
type document struct {
	// Schema names the form of the object: "redline schema NAME" prints it. Fields are
	// only added within a version.
	Schema string `json:"schema"`
	// Version is redline's.
	Version string `json:"version"`
	// Error is null when all went well.
	Error *string `json:"error"`
	// ErrorKind is what kind of error it is, for programs; null when all went well.
	ErrorKind *string `json:"error_kind"`
}

func newDocument(schema string, err error) document {
	d := document{Schema: schema, Version: observe.Environment().Redline}
	d.Error, d.ErrorKind = asFields(err)
	return d
}

// asFields is an error as JSON has it; both are null without one.
func asFields(err error) (text, kind *string) {
	if err == nil {
		return nil, nil
	}
	said, of := sentence(err), kindOf(err)
	return &said, &of
}

// printAnswer prints how a command that asks or changes one thing ended: text, or
// one JSON object, which there is also after an error. It gives the error back.
func printAnswer(p *Process, output, schema string, err error, text func(io.Writer), doc func(document) any) error {
	return printTable(p, output, err, view{text: text, object: doc(newDocument(schema, err))})
}

// printTable is printAnswer for an answer that is a table.
func printTable(p *Process, output string, err error, v view) error {
	if err != nil && !isObject(output) {
		return err
	}
	return errors.Join(err, show(p, output, v))
}

// newHeader begins a report.
func newHeader(schema string) result.Header {
	environment := observe.Environment()
	return result.Header{Schema: schema, Version: environment.Redline, Warnings: []string{}, Environment: environment}
}

// printReport writes a report, with the error that the command ends with in it, and
// gives that error back.
func printReport(p *Process, output string, header *result.Header, v view, err error) error {
	if err != nil {
		header.Error, header.ErrorKind = asFields(err)
	}
	return errors.Join(err, show(p, output, v))
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(filled(v)); err != nil {
		return fmt.Errorf("cannot write the result: %w", err)
	}
	return nil
}

// filled is v with empty lists and maps where it has none: in JSON an empty list is [],
// and null is what is not known, such as a pointer to nothing.
func filled(v any) any {
	whole := reflect.New(reflect.TypeOf(v)).Elem()
	whole.Set(reflect.ValueOf(v))
	fill(whole)
	return whole.Interface()
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() || f.Anonymous {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.IsNil() && v.CanSet() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		if v.IsNil() && v.CanSet() {
			v.Set(reflect.MakeMap(v.Type()))
		}
	}
}

// lineWriter writes JSON objects, one a line: what -o jsonl streams.
type lineWriter struct{ encoder *json.Encoder }

func newLineWriter(w io.Writer) lineWriter { return lineWriter{json.NewEncoder(w)} }

func (l lineWriter) write(v any) error {
	if err := l.encoder.Encode(filled(v)); err != nil {
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
