// Of web/charts.js.
declare module '*/charts.js' {
  type Series = [name: string, points: [step: number, value: number][]][];
  type Line = Record<string, unknown>;
  interface ChartText {
    step: string;
    names: Record<string, string>;
    number: (value: number, digits?: number) => string;
    short: (value: number) => string;
    percent: (share: number) => string;
    frontier: string;
    task: string;
    kept: string;
    share: string;
  }
  interface FrontierPoint {
    step: number;
    share: number;
    task: number;
    kept: number;
    chosen: boolean;
  }
  export const kLosses: [string, string][];
  export const kProbe: [string, string][];
  export function series(lines: Line[], keys: [string, string][]): Series;
  export function chart(title: string, drawn: Series, text: ChartText): HTMLElement | null;
  export function frontier(points: FrontierPoint[], text: ChartText): HTMLElement;
}
