"""What agents ask for, and the models that answer it: any of them may come first."""

from __future__ import annotations

from typing import Final

_BLOCKS = "Modelica.Blocks.Examples."
_ANALOG = "Modelica.Electrical.Analog.Examples."
_MACHINES = "Modelica.Electrical.Machines.Examples.DCMachines."
_ROTATIONAL = "Modelica.Mechanics.Rotational.Examples."
_TRANSLATIONAL = "Modelica.Mechanics.Translational.Examples."
_MULTIBODY = "Modelica.Mechanics.MultiBody.Examples.Elementary."
_HEAT = "Modelica.Thermal.HeatTransfer.Examples."
_FLOW = "Modelica.Thermal.FluidHeatFlow.Examples."

PID = f"{_BLOCKS}PID_Controller"
SLEW = f"{_BLOCKS}SlewRateLimiter"
CLOCKED = "Modelica.Clocked.Examples.SimpleControlledDrive.Continuous"
LOW_PASS = f"{_ANALOG}CauerLowPassAnalog"
RECTIFIER = f"{_ANALOG}Rectifier"
CHUA = f"{_ANALOG}ChuaCircuit"
DC_PM, DC_SE = f"{_MACHINES}DCPM_Start", f"{_MACHINES}DCSE_Start"
FIRST, CLUTCHES = f"{_ROTATIONAL}First", f"{_ROTATIONAL}CoupledClutches"
BRAKE, ONE_WAY = f"{_ROTATIONAL}EddyCurrentBrake", f"{_ROTATIONAL}OneWayClutch"
BACKLASH, BEARING = f"{_ROTATIONAL}Backlash", f"{_ROTATIONAL}ElasticBearing"
OSCILLATOR, GAP = f"{_TRANSLATIONAL}Oscillator", f"{_TRANSLATIONAL}ElastoGap"
DAMPER, PRELOAD = f"{_TRANSLATIONAL}Damper", f"{_TRANSLATIONAL}PreLoad"
PENDULUM, DOUBLE = f"{_MULTIBODY}Pendulum", f"{_MULTIBODY}DoublePendulum"
SPRING_MASS = f"{_MULTIBODY}SpringMassSystem"
TWO_MASSES, CONTROLLED = f"{_HEAT}TwoMasses", f"{_HEAT}ControlledTemperature"
SIMPLE, TANKS = f"{_FLOW}SimpleCooling", f"{_FLOW}TwoTanks"
INDIRECT, PARALLEL = f"{_FLOW}IndirectCooling", f"{_FLOW}ParallelCooling"

CASES: Final[dict[str, tuple[str, ...]]] = {
    "bouncing ball": ("BouncingBall",),
    "bouncnig bal": ("BouncingBall",),
    "a model with an impact": ("BouncingBall",),
    "coefficient of restitution": ("BouncingBall",),
    "free fall with collision": ("BouncingBall",),
    "van der pol": ("VanDerPol",),
    "limit cycle": ("VanDerPol",),
    "stiff": ("VanDerPol", "Robertson", PRELOAD, RECTIFIER),
    "stiff chemical reaction": ("Robertson",),
    "exponential decay": ("Dahlquist",),
    "dalquist": ("Dahlquist",),
    "rc circuit": (LOW_PASS, CHUA, "LithiumCell"),
    "low pass filter": (LOW_PASS,),
    "lowpas filter": (LOW_PASS,),
    "ac dc converter": (RECTIFIER,),
    "diode bridge": (RECTIFIER,),
    "chaos": (CHUA, "Lorenz", DOUBLE),
    "butterfly effect": ("Lorenz",),
    "electric motor": (DC_PM, DC_SE),
    "series excited dc machine": (DC_SE,),
    "permanent magnet": (DC_PM,),
    "friction": (CLUTCHES, PRELOAD, ONE_WAY, FIRST),
    "freewheel": (ONE_WAY,),
    "gear play": (BACKLASH,),
    "eddy current": (BRAKE,),
    "pendulum": (PENDULUM, DOUBLE),
    "double pendulum": (DOUBLE,),
    "spring mass": (SPRING_MASS, OSCILLATOR),
    "shock absorber": (DAMPER,),
    "pid": (PID, CLOCKED),
    "slew rate": (SLEW,),
    "heat exchanger": (INDIRECT, PARALLEL, SIMPLE),
    "parallel cooling": (PARALLEL,),
    "thermostat": (CONTROLLED, "HeatPumpRoom"),
    "heat transfer between two masses": (TWO_MASSES,),
    "hydraulic tank level": (TANKS,),
    "predator prey": ("LotkaVolterra",),
    "epidemic": ("SIR",),
    "battery state of charge": ("LithiumCell",),
    "heat pump": ("HeatPumpRoom", "RoomHeatPump", "ThermalRoom"),
    "oil scavenge pump": ("ScavengePump",),
    "diesel common rail": ("CommonRail",),
}
