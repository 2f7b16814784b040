"""Meter values: OCPP 1.6 sections 3.16, 4.7, 4.10 and 9.1 (TC_070, TC_071)."""

from typing import Any

import pytest
import trio
from counterparts.script import EPOCH_S, stage, utc

from fleet.commands.vocabulary import PlugIn, Swipe

POWER_W = 7200
REGISTER = {
    "measurand": "Energy.Active.Import.Register",
    "unit": "Wh",
}


async def test_tc_070_cs_sampled_meter_values(autojump_clock: Any) -> None:
    keys = {
        "MeterValueSampleInterval": "30",
        "MeterValuesSampledData": "Energy.Active.Import.Register,Power.Active.Import,SoC",
    }
    async with stage(keys) as s:
        transaction_id = await s.charge()
        samples = await s.expect("MeterValues", "MeterValues", "MeterValues", within_s=95)
        for number, sample in enumerate(samples, 1):
            assert sample.payload["connectorId"] == 1
            assert sample.payload["transactionId"] == transaction_id
            (value,) = sample.payload["meterValue"]
            assert value["timestamp"] <= utc(sample.at)
            assert sample.at - samples[0].at == pytest.approx(30 * (number - 1), abs=0.01)
            energy, power, soc = value["sampledValue"]
            register_wh = int(energy.pop("value"))
            assert register_wh == pytest.approx(POWER_W / 3600 * 30 * number, abs=1)
            assert energy == {**REGISTER, "context": "Sample.Periodic"}
            assert power == {
                "value": "7200",
                "measurand": "Power.Active.Import",
                "unit": "W",
                "context": "Sample.Periodic",
            }
            assert 30 <= float(soc["value"]) < 31
            assert (soc["measurand"], soc["unit"], soc["location"]) == ("SoC", "Percent", "EV")
        # The samples end with the transaction.
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=300)


async def test_tc_070_cs_an_interval_of_0_means_no_samples(autojump_clock: Any) -> None:
    async with stage({"MeterValueSampleInterval": "0"}) as s:
        await s.charge()
        await s.expect(within_s=0, quiet_s=3600)


async def test_tc_070_cs_what_the_stop_is_to_carry_is_in_its_transaction_data(autojump_clock: Any) -> None:
    keys = {"MeterValueSampleInterval": "60", "StopTxnSampledData": "Energy.Active.Import.Register"}
    async with stage(keys) as s:
        await s.charge()
        await s.expect("MeterValues", "MeterValues", within_s=130)
        await s.do(1, Swipe("TAG"))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        data = stop.payload["transactionData"]
        contexts = [value["sampledValue"][0]["context"] for value in data]
        assert contexts == ["Transaction.Begin", "Sample.Periodic", "Sample.Periodic", "Transaction.End"]
        registers = [int(value["sampledValue"][0]["value"]) for value in data]
        assert registers[0] == 0
        assert registers[-1] == stop.payload["meterStop"]
        assert data[-1]["timestamp"] == stop.payload["timestamp"]


async def test_tc_071_cs_clock_aligned_meter_values(autojump_clock: Any) -> None:
    keys = {"ClockAlignedDataInterval": "900", "MeterValuesAlignedData": "Energy.Active.Import.Register"}
    async with stage(keys, connectors=2) as s:
        await trio.sleep(100)  # whenever it starts, the readings are at the quarters of the hour
        transaction_id = await s.charge(1)
        said = await s.expect("MeterValues", "MeterValues", "MeterValues", "MeterValues", within_s=1750)
        for number, pair in ((1, said[:2]), (2, said[2:])):
            assert {sample.payload["connectorId"] for sample in pair} == {1, 2}
            for sample in pair:
                assert (EPOCH_S + sample.at) % 900 < 1
                (value,) = sample.payload["meterValue"]
                assert value["timestamp"][:19] == utc(900 * number)[:19]
                (register,) = value["sampledValue"]
                reading_wh = int(register.pop("value"))
                assert register == {**REGISTER, "context": "Sample.Clock"}
                if sample.payload["connectorId"] == 1:
                    assert sample.payload["transactionId"] == transaction_id
                    assert reading_wh == pytest.approx(POWER_W / 3600 * (900 * number - 101), abs=10)
                else:
                    # Clock-aligned values are of the connector: there needn't be a transaction.
                    assert "transactionId" not in sample.payload
                    assert reading_wh == 0


async def test_tc_071_cs_what_the_stop_is_to_carry_of_the_clock_is_in_its_transaction_data(
    autojump_clock: Any,
) -> None:
    keys = {"ClockAlignedDataInterval": "900", "MeterValuesAlignedData": "", "StopTxnAlignedData": "SoC"}
    async with stage(keys) as s:
        await s.charge()
        await trio.sleep(2000)
        await s.do(1, Swipe("TAG"))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        aligned = [
            value for value in stop.payload["transactionData"] if value["sampledValue"][0]["context"] == "Sample.Clock"
        ]
        assert [value["timestamp"][:19] for value in aligned] == ["2026-11-22T12:15:00", "2026-11-22T12:30:00"]


async def test_meter_values_outside_a_transaction_are_not_kept_for_a_csms_that_is_away(autojump_clock: Any) -> None:
    async with stage({"ClockAlignedDataInterval": "60"}) as s:
        await s.do(1, PlugIn())
        await s.expect("1:Preparing")
        await s.go_offline()
        s.forget()
        await trio.sleep(600)
        s.go_online()
        await s.until("MeterValues")
        await trio.sleep(1)
        (sample,) = s.forget()
        assert sample.payload["meterValue"][0]["timestamp"] > utc(sample.at - 5)
